#pragma once
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* One POST and its answer. curl_easy_setopt is variadic, which Swift does not import. */
struct chorale_post {
    const char *url;
    /* The whole line, or NULL. */
    const char *authorization;
    const void *body;
    size_t body_size;
    long timeout_milliseconds;
    size_t answer_max;
    /* Asked several times a second; ends the transfer by something else than 0. */
    int (*is_cancelled)(void *);
    void *context;

    /* Out: to be freed by the caller. */
    unsigned char *answer;
    size_t answer_size;
    long status;
    int is_too_large;
    char error[CURL_ERROR_SIZE];
};

static size_t chorale_post_received(char *bytes, size_t one, size_t count, void *context)
{
    struct chorale_post *post = context;
    (void) one;
    if (count > post->answer_max - post->answer_size) {
        post->is_too_large = 1;
        return 0;
    }
    unsigned char *grown = realloc(post->answer, post->answer_size + count);
    if (grown == NULL && count > 0) return 0;
    post->answer = grown;
    memcpy(grown + post->answer_size, bytes, count);
    post->answer_size += count;
    return count;
}

static int chorale_post_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct chorale_post *post = context;
    (void) a; (void) b; (void) c; (void) d;
    return post->is_cancelled(post->context);
}

/* Thread-safe, and to be called once before the others. */
static inline int chorale_curl_start(void) { return (int) curl_global_init(CURL_GLOBAL_DEFAULT); }

/* Gives a CURLcode. Follows no redirection, uses no proxy, and raises no signal. */
static inline int chorale_post_perform(struct chorale_post *post)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL) return CURLE_OUT_OF_MEMORY;
    struct curl_slist *fields = NULL;
    fields = curl_slist_append(fields, "Content-Type: application/json");
    /* Not worth a round trip. */
    fields = curl_slist_append(fields, "Expect:");
    if (post->authorization != NULL) fields = curl_slist_append(fields, post->authorization);
    post->error[0] = 0;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_URL, post->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) post->body_size);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, post->timeout_milliseconds);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, chorale_post_received);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, chorale_post_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, post);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, post->error);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &post->status);
    if (code != CURLE_OK && post->error[0] == 0)
        strncpy(post->error, curl_easy_strerror(code), sizeof post->error - 1);
    curl_slist_free_all(fields);
    curl_easy_cleanup(easy);
    return (int) code;
}
