/* profile.c: the names of the profiles. */
#include "plan/plan.h"

#include <string.h>

static const char *const names[] = {
#define PROFILE_TEXT(suffix, text) text,
    MICO_PROFILE_LIST(PROFILE_TEXT)
#undef PROFILE_TEXT
};

const char *mico_profile_text(mico_profile profile)
{
    return (unsigned)profile < MICO_N_PROFILES ? names[profile] : "?";
}

bool mico_profile_parse(const char *text, mico_profile *profile)
{
    for (unsigned p = 0; p < MICO_N_PROFILES; p++)
        if (strcmp(text, names[p]) == 0) {
            *profile = (mico_profile)p;
            return true;
        }
    return false;
}
