/* The ceiling: a C client on librabbitmq that publishes the messages of a file, persistent, mandatory and
 * confirmed, with at most WINDOW unconfirmed. Prints the rate in messages per second.
 *
 *   publisher HOST PORT USER PASSWORD EXCHANGE FILE WINDOW
 *
 * The file is the one of messages.py: <QQIB seq, timestamp, body size, further keys; five texts and the
 * further keys, each after a 16-bit length; the body. All numbers are little-endian, as this machine must be.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

enum { MOST_KEYS = 16, FRAME_MAX = 131072 };

static void fail(const char *what) {
    fprintf(stderr, "publisher: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static char *load(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail("the file of messages cannot be opened");
    *size = ftell(file);
    rewind(file);
    char *data = malloc(*size);
    if (!data || fread(data, 1, *size, file) != *size) fail("the file of messages cannot be read");
    fclose(file);
    return data;
}

/* Confirms come singly or for all up to a number; `done` is the end of the confirmed prefix. */
static uint8_t *confirmed;
static uint64_t sent, done;

static void confirm(uint64_t tag, int multiple) {
    if (multiple) {
        if (tag > done) done = tag;
    } else {
        confirmed[tag] = 1;
    }
    while (done < sent && confirmed[done + 1]) done++;
}

static void take_frame(amqp_connection_state_t connection, struct timeval *patience) {
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(connection, &frame, patience);
    if (status == AMQP_STATUS_TIMEOUT) return;
    if (status != AMQP_STATUS_OK) fail("the connection ended");
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD) fail("the broker said something other than ack");
    amqp_basic_ack_t *ack = frame.payload.method.decoded;
    confirm(ack->delivery_tag, ack->multiple);
}

static amqp_bytes_t text(char **at) {
    uint16_t size;
    memcpy(&size, *at, 2);
    amqp_bytes_t found = {size, *at + 2};
    *at += 2 + size;
    return found;
}

static void put_text(amqp_table_entry_t *entry, const char *key, amqp_bytes_t value) {
    entry->key = amqp_cstring_bytes(key);
    entry->value.kind = AMQP_FIELD_KIND_UTF8;
    entry->value.value.bytes = value;
}

static void put_number(amqp_table_entry_t *entry, const char *key, int64_t value) {
    entry->key = amqp_cstring_bytes(key);
    entry->value.kind = AMQP_FIELD_KIND_I64;
    entry->value.value.i64 = value;
}

/* Publishes the message at `at`; returns where the next one begins. */
static char *publish(amqp_connection_state_t connection, amqp_bytes_t exchange, char *at) {
    uint64_t seq, timestamp;
    uint32_t size;
    uint8_t more;
    memcpy(&seq, at, 8);
    memcpy(&timestamp, at + 8, 8);
    memcpy(&size, at + 16, 4);
    more = (uint8_t)at[20];
    at += 21;
    amqp_bytes_t key = text(&at), id = text(&at), type = text(&at), call = text(&at), linkedid = text(&at);

    amqp_table_entry_t entries[6];
    amqp_field_value_t keys[MOST_KEYS];
    int count = 0;
    put_text(&entries[count++], "pbx", amqp_cstring_bytes("main"));
    put_number(&entries[count++], "epoch", 1760000000000);
    put_number(&entries[count++], "seq", (int64_t)seq);
    put_text(&entries[count++], "call", call);
    if (linkedid.len) put_text(&entries[count++], "linkedid", linkedid);
    if (more > MOST_KEYS) fail("a message with too many keys");
    for (int i = 0; i < more; i++) {
        keys[i].kind = AMQP_FIELD_KIND_UTF8;
        keys[i].value.bytes = text(&at);
    }
    if (more) {
        entries[count].key = amqp_cstring_bytes("CC");
        entries[count].value.kind = AMQP_FIELD_KIND_ARRAY;
        entries[count].value.value.array.num_entries = more;
        entries[count++].value.value.array.entries = keys;
    }

    amqp_basic_properties_t properties;
    memset(&properties, 0, sizeof properties);
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                        AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG |
                        AMQP_BASIC_APP_ID_FLAG;
    properties.content_type = amqp_cstring_bytes("application/msgpack");
    properties.headers.num_entries = count;
    properties.headers.entries = entries;
    properties.delivery_mode = 2;
    properties.message_id = id;
    properties.timestamp = timestamp;
    properties.type = type;
    properties.app_id = amqp_cstring_bytes("ami-bus/benchmark");

    amqp_bytes_t body = {size, at};
    if (amqp_basic_publish(connection, 1, exchange, key, 1, 0, &properties, body) != AMQP_STATUS_OK)
        fail("a message could not be sent");
    sent++;
    return at + size;
}

int main(int argc, char **argv) {
    if (argc != 8) fail("publisher HOST PORT USER PASSWORD EXCHANGE FILE WINDOW");
    size_t size;
    char *data = load(argv[6], &size), *end = data + size, *at = data;
    uint64_t window = strtoull(argv[7], NULL, 10);
    confirmed = calloc(size / 21 + 2, 1);
    if (!confirmed) fail("no memory");

    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (!socket || amqp_socket_open(socket, argv[1], atoi(argv[2]))) fail("the broker cannot be reached");
    amqp_rpc_reply_t reply =
        amqp_login(connection, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, argv[3], argv[4]);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) fail("the broker refused the login");
    if (!amqp_channel_open(connection, 1) || !amqp_confirm_select(connection, 1)) fail("no channel with confirms");

    amqp_bytes_t exchange = amqp_cstring_bytes(argv[5]);
    struct timeval at_once = {0, 0}, *patiently = NULL;
    double began = now();
    uint64_t looked = 0;
    while (at < end) {
        while (sent - done >= window) take_frame(connection, patiently);
        at = publish(connection, exchange, at);
        /* Confirms are taken as they come, not only at the window's end. */
        if (sent - looked >= 64) {
            looked = sent;
            uint64_t before;
            do {
                before = done;
                if (!amqp_data_in_buffer(connection) && !amqp_frames_enqueued(connection)) {
                    take_frame(connection, &at_once);
                } else {
                    take_frame(connection, patiently);
                }
            } while (done > before);
            amqp_maybe_release_buffers(connection);
        }
    }
    while (done < sent) take_frame(connection, patiently);
    printf("%.0f\n", sent / (now() - began));
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
    return 0;
}
