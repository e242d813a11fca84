#ifndef CEMBEDDED_H
#define CEMBEDDED_H

#include <stddef.h>

/// docs/openapi.json, to the byte. Lives as long as the process.
const unsigned char *cembedded_openapi(size_t *count);

/// dashboard/: the page, which says where style and script go, and these two.
const unsigned char *cembedded_dashboard(size_t *count);
const unsigned char *cembedded_dashboard_style(size_t *count);
const unsigned char *cembedded_dashboard_script(size_t *count);

#endif
