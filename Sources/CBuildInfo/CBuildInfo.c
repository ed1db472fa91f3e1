#include "CBuildInfo.h"

const char *_Nullable chorale_build_commit(void) {
#ifdef CHORALE_COMMIT
    return CHORALE_COMMIT;
#else
    return 0;
#endif
}
