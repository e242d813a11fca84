// Files that the executable carries, put in by the compiler (C23, 6.10.4).

#include "CEmbedded.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char openapi[] = {
#embed "../../docs/openapi.json"
};

static const unsigned char dashboard[] = {
#embed "../../dashboard/index.html"
};

static const unsigned char dashboard_style[] = {
#embed "../../dashboard/style.css"
};

// One script, in the order in which the files build on each other.
static const unsigned char dashboard_script[] = {
#embed "../../dashboard/dom.js"
    ,
#embed "../../dashboard/api.js"
    ,
#embed "../../dashboard/plot.js"
    ,
#embed "../../dashboard/sessions.js"
    ,
#embed "../../dashboard/session.js"
    ,
#embed "../../dashboard/overview.js"
    ,
#embed "../../dashboard/quarantine.js"
    ,
#embed "../../dashboard/main.js"
};

const unsigned char *cembedded_dashboard(size_t *count) {
    *count = sizeof dashboard;
    return dashboard;
}

const unsigned char *cembedded_dashboard_style(size_t *count) {
    *count = sizeof dashboard_style;
    return dashboard_style;
}

const unsigned char *cembedded_dashboard_script(size_t *count) {
    *count = sizeof dashboard_script;
    return dashboard_script;
}

const unsigned char *cembedded_openapi(size_t *count) {
    *count = sizeof openapi;
    return openapi;
}
