/* The ceiling: publishes persistent messages with confirms through librabbitmq, a window outstanding.
 *
 *   cc -O2 -o c_publisher c_publisher.c -lrabbitmq
 *   ./c_publisher HOST PORT USER PASSWORD EXCHANGE KEY COUNT BODY_BYTES WINDOW
 *
 * Prints the confirmed messages per second. Same properties as the real publisher, headers included.
 */
#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void need(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "c_publisher: %s failed\n", what);
        exit(1);
    }
}

/* Waits for one ack (at least), returns the highest number up to which all is confirmed. */
static uint64_t take_ack(amqp_connection_state_t connection, uint64_t done, unsigned char *beyond, uint64_t count) {
    amqp_frame_t frame;
    need(amqp_simple_wait_frame(connection, &frame) == AMQP_STATUS_OK, "reading");
    if (frame.frame_type != AMQP_FRAME_METHOD) return done;
    need(frame.payload.method.id == AMQP_BASIC_ACK_METHOD, "a confirm");
    amqp_basic_ack_t *ack = frame.payload.method.decoded;
    if (ack->multiple) {
        if (ack->delivery_tag > done) done = ack->delivery_tag;
    } else {
        beyond[ack->delivery_tag] = 1;
    }
    while (done < count && beyond[done + 1]) done++;
    return done;
}

int main(int argc, char **argv) {
    need(argc == 10, "reading nine arguments");
    uint64_t count = strtoull(argv[7], NULL, 10), window = strtoull(argv[9], NULL, 10);
    size_t size = strtoull(argv[8], NULL, 10);
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    need(socket && amqp_socket_open(socket, argv[1], atoi(argv[2])) == AMQP_STATUS_OK, "connecting");
    need(amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, argv[3], argv[4]).reply_type ==
             AMQP_RESPONSE_NORMAL, "login");
    amqp_channel_open(connection, 1);
    need(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, "opening a channel");
    amqp_confirm_select(connection, 1);
    need(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, "confirm.select");

    amqp_table_entry_t entries[5];
    memset(entries, 0, sizeof entries);
    const char *names[5] = {"pbx", "epoch", "seq", "call", "linkedid"};
    const char *texts[5] = {"main", NULL, NULL, "1760000000.1", "1760000000.1"};
    for (int i = 0; i < 5; i++) {
        entries[i].key = amqp_cstring_bytes(names[i]);
        if (texts[i]) {
            entries[i].value.kind = AMQP_FIELD_KIND_UTF8;
            entries[i].value.value.bytes = amqp_cstring_bytes(texts[i]);
        } else {
            entries[i].value.kind = AMQP_FIELD_KIND_I64;
            entries[i].value.value.i64 = 1760000000000LL;
        }
    }
    amqp_basic_properties_t properties;
    memset(&properties, 0, sizeof properties);
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                        AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG |
                        AMQP_BASIC_HEADERS_FLAG;
    properties.content_type = amqp_cstring_bytes("application/msgpack");
    properties.delivery_mode = 2;
    properties.timestamp = 1760000000;
    properties.type = amqp_cstring_bytes("Hangup");
    properties.app_id = amqp_cstring_bytes("ami-bus/0.1.0");
    properties.headers.num_entries = 5;
    properties.headers.entries = entries;

    char *body = malloc(size), id[64];
    unsigned char *beyond = calloc(count + 2, 1);
    need(body && beyond, "memory");
    memset(body, 'x', size);
    amqp_bytes_t content = {size, body};
    double began = seconds();
    uint64_t done = 0;
    for (uint64_t sent = 1; sent <= count; sent++) {
        while (sent - done > window) done = take_ack(connection, done, beyond, count);
        snprintf(id, sizeof id, "main-199c82cc000-%llx", (unsigned long long)sent);
        properties.message_id = amqp_cstring_bytes(id);
        entries[2].value.value.i64 = (int64_t)sent;
        need(amqp_basic_publish(connection, 1, amqp_cstring_bytes(argv[5]), amqp_cstring_bytes(argv[6]), 1, 0,
                                &properties, content) == AMQP_STATUS_OK, "publishing");
        amqp_maybe_release_buffers(connection);
    }
    while (done < count) {
        done = take_ack(connection, done, beyond, count);
        amqp_maybe_release_buffers(connection);
    }
    printf("%.0f\n", (double)count / (seconds() - began));
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
    return 0;
}
