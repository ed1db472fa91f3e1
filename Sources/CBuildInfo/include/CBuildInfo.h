#ifndef CHORALE_BUILD_INFO_H
#define CHORALE_BUILD_INFO_H

// The commit that was built, as the environment variable CHORALE_COMMIT named it to the manifest; NULL
// when it did not. In C, because a Swift module cannot be given a text on the compiler's command line.
const char *_Nullable chorale_build_commit(void);

#endif
