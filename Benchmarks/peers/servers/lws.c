// Echo at /echo and broadcast at /broadcast with libwebsockets, one service thread.
//
//   lws PORT
//
// permessage-deflate as libwebsockets has it by default. A message is received whole, then waits
// in its connection's queue until the socket is writable, as the library asks for. A broadcast
// message is kept once, and counted by those it waits for; each gets a copy when it is its turn,
// for lws_write() masks and compresses in place and needs room before the payload.
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct message {
    size_t references, length;
    enum lws_write_protocol kind;
    unsigned char bytes[];
};

struct waiting {
    struct waiting *next;
    struct message *message;
};

struct session {
    struct lws *wsi;
    struct session *next, *previous; // among those that broadcasts go to
    int is_broadcast;
    unsigned char *received;
    size_t length, capacity;
    struct waiting *first, **end;
};

static struct session *members;
static unsigned char *scratch;
static size_t scratch_size;

static void *allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (!memory) abort();
    return memory;
}

static void release(struct message *message) {
    if (--message->references == 0) free(message);
}

static void enqueue(struct session *session, struct message *message) {
    struct waiting *entry = allocate(NULL, sizeof *entry);
    *entry = (struct waiting){NULL, message};
    message->references++;
    *session->end = entry;
    session->end = &entry->next;
    lws_callback_on_writable(session->wsi);
}

static struct message *dequeue(struct session *session) {
    struct waiting *entry = session->first;
    struct message *message = entry->message;
    session->first = entry->next;
    if (!session->first) session->end = &session->first;
    free(entry);
    return message;
}

static void opened(struct session *session, struct lws *wsi) {
    char path[16] = "";
    memset(session, 0, sizeof *session);
    session->wsi = wsi;
    session->end = &session->first;
    lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    session->is_broadcast = strcmp(path, "/broadcast") == 0;
    if (!session->is_broadcast) return;
    session->next = members;
    if (members) members->previous = session;
    members = session;
}

static void closed(struct session *session) {
    if (session->is_broadcast) {
        if (session->next) session->next->previous = session->previous;
        if (session->previous) session->previous->next = session->next;
        else members = session->next;
    }
    while (session->first) release(dequeue(session));
    free(session->received);
}

static void received(struct session *session, const void *bytes, size_t count) {
    if (lws_is_first_fragment(session->wsi)) session->length = 0;
    if (session->length + count > session->capacity) {
        session->capacity = 2 * (session->length + count);
        session->received = allocate(session->received, session->capacity);
    }
    if (count) memcpy(session->received + session->length, bytes, count);
    session->length += count;
    if (!lws_is_final_fragment(session->wsi)) return;

    struct message *message = allocate(NULL, sizeof *message + session->length);
    message->references = 1;
    message->length = session->length;
    message->kind = lws_frame_is_binary(session->wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    if (session->length) memcpy(message->bytes, session->received, session->length);
    if (session->is_broadcast) {
        for (struct session *each = members; each; each = each->next) enqueue(each, message);
    } else {
        enqueue(session, message);
    }
    release(message);
}

static int write_next(struct session *session) {
    if (!session->first) return 0;
    struct message *message = dequeue(session);
    if (LWS_PRE + message->length > scratch_size) {
        scratch_size = LWS_PRE + message->length;
        scratch = allocate(scratch, scratch_size);
    }
    size_t length = message->length;
    memcpy(scratch + LWS_PRE, message->bytes, length);
    int written = lws_write(session->wsi, scratch + LWS_PRE, length, message->kind);
    release(message);
    if (written < (int)length) return -1;
    if (session->first) lws_callback_on_writable(session->wsi);
    return 0;
}

static int handle(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *bytes, size_t count) {
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED: opened(user, wsi); return 0;
    case LWS_CALLBACK_CLOSED: closed(user); return 0;
    case LWS_CALLBACK_RECEIVE: received(user, bytes, count); return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE: return write_next(user);
    default: return 0;
    }
}

static volatile sig_atomic_t stopped;
static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

int main(int argc, char **argv) {
    if (argc != 2) return 64;
    static const struct lws_protocols protocols[] = {
        {"messages", handle, sizeof(struct session), 65536, 0, NULL, 65536},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    static const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
        {NULL, NULL, NULL},
    };
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = atoi(argv[1]);
    info.iface = "lo";
    info.protocols = protocols;
    info.extensions = extensions;
    info.pt_serv_buf_size = 65536;
    lws_set_log_level(LLL_ERR, NULL);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    while (!stopped && lws_service(context, 0) >= 0) {}
    lws_context_destroy(context);
    return 0;
}
