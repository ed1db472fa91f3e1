#pragma once
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* One request and its answer. curl_easy_setopt is variadic, which Swift does not import. */
struct chorale_request {
    const char *url;
    /* Whole lines, or NULL. */
    const char *authorization;
    const char *content_type;
    const char *accept;
    /* A POST of `body_size` bytes, or a GET. */
    int is_post;
    const void *body;
    size_t body_size;
    long timeout_milliseconds;
    /* Seconds without a byte after which the transfer ends; 0: never. */
    long idle_seconds;
    size_t answer_max;
    /* Asked whenever something happened or the handle was woken up; ends the transfer by something
       else than 0. */
    int (*is_cancelled)(void *);
    /* Told when there is a handle for curl_multi_wakeup, from any thread, and when it will be gone. */
    void (*under_way)(void *, CURLM *handle, int is_under_way);
    /* Given each piece of the answer in place of collecting it, if not NULL; ends the transfer by
       something else than 0. */
    int (*received)(void *, long status, const char *bytes, size_t count);
    void *context;

    /* Out: to be freed by the caller. */
    unsigned char *answer;
    size_t answer_size;
    long status;
    int is_too_large;
    int is_ended;
    char error[CURL_ERROR_SIZE];

    CURL *easy;
};

static size_t chorale_request_received(char *bytes, size_t one, size_t count, void *context)
{
    struct chorale_request *request = context;
    (void) one;
    if (count > request->answer_max - request->answer_size) {
        request->is_too_large = 1;
        return 0;
    }
    if (request->received != NULL) {
        long status = 0;
        curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        request->answer_size += count;
        if (request->received(request->context, status, bytes, count) == 0) return count;
        request->is_ended = 1;
        return 0;
    }
    unsigned char *grown = realloc(request->answer, request->answer_size + count);
    if (grown == NULL && count > 0) return 0;
    request->answer = grown;
    memcpy(grown + request->answer_size, bytes, count);
    request->answer_size += count;
    return count;
}

/* What curl_easy_perform does, but that another thread can wake it up. */
static CURLcode chorale_request_transfer(struct chorale_request *request, CURLM *multi)
{
    for (;;) {
        /* After `under_way`, so that whoever cancels from here on wakes up the poll. */
        if (request->is_cancelled(request->context) != 0) return CURLE_ABORTED_BY_CALLBACK;
        int running = 0;
        CURLMcode failure = curl_multi_perform(multi, &running);
        if (failure == CURLM_OK && running == 0) {
            int left = 0;
            CURLMsg *message = curl_multi_info_read(multi, &left);
            return message == NULL ? CURLE_FAILED_INIT : message->data.result;
        }
        if (failure == CURLM_OK) failure = curl_multi_poll(multi, NULL, 0, 1000, NULL);
        if (failure != CURLM_OK)
            return failure == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT;
    }
}

/* Thread-safe, and to be called once before the others. */
static inline int chorale_curl_start(void) { return (int) curl_global_init(CURL_GLOBAL_DEFAULT); }

/* Gives a CURLcode. Follows no redirection, uses no proxy, and raises no signal. */
static inline int chorale_request_perform(struct chorale_request *request)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL) return CURLE_OUT_OF_MEMORY;
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        curl_easy_cleanup(easy);
        return CURLE_OUT_OF_MEMORY;
    }
    request->easy = easy;
    struct curl_slist *fields = NULL;
    /* Not worth a round trip. */
    fields = curl_slist_append(fields, "Expect:");
    if (request->content_type != NULL) fields = curl_slist_append(fields, request->content_type);
    if (request->accept != NULL) fields = curl_slist_append(fields, request->accept);
    if (request->authorization != NULL) fields = curl_slist_append(fields, request->authorization);
    request->error[0] = 0;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
    if (request->is_post) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_size > 0 ? request->body : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_size);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_milliseconds);
    if (request->idle_seconds > 0) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, request->idle_seconds);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, chorale_request_received);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    CURLcode code = CURLE_FAILED_INIT;
    if (curl_multi_add_handle(multi, easy) == CURLM_OK) {
        request->under_way(request->context, multi, 1);
        code = chorale_request_transfer(request, multi);
        request->under_way(request->context, multi, 0);
    }
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &request->status);
    if (code != CURLE_OK && request->error[0] == 0)
        strncpy(request->error, curl_easy_strerror(code), sizeof request->error - 1);
    curl_slist_free_all(fields);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    request->easy = NULL;
    return (int) code;
}
