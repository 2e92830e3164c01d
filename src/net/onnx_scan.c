/* A bounds check of protobuf's wire format before it is unpacked. */
#include "net/onnx_internal.h"

#define MAX_DEPTH    32
#define MAX_MESSAGES ((size_t)1 << 18)
#define MAX_FIELDS   ((size_t)1 << 21)

typedef struct wire {
    const uint8_t *bytes;
    size_t at;
} wire;

/* One open message: its end and its type (NULL: not descended into). */
typedef struct level {
    size_t end;
    const ProtobufCMessageDescriptor *type;
} level;

static bool get_varint(wire *w, size_t end, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && w->at < end; shift += 7) {
        uint8_t byte = w->bytes[w->at++];

        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

/* Steps over one field; *length is the size of a length-delimited one, which is left
 * unread. */
static bool skip_field(wire *w, size_t end, unsigned wire_type, size_t *length)
{
    uint64_t v = 0;

    *length = 0;
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return get_varint(w, end, &v);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        v = wire_type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4;
        if (end - w->at < v)
            return false;
        w->at += (size_t)v;
        return true;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!get_varint(w, end, &v) || v > end - w->at)
            return false;
        *length = (size_t)v;
        return true;
    default:
        return false;
    }
}

static mico_status damaged(mico_err *err, size_t at)
{
    return mico_fail(err, MICO_EFORMAT, "not an ONNX model: damaged or cut at byte %zu",
                     at);
}

mico_status mico_onnx_scan(const uint8_t *bytes, size_t n, mico_err *err)
{
    level stack[MAX_DEPTH];
    size_t depth = 1, messages = 0, fields = 0;
    wire w = {bytes, 0};

    stack[0] = (level){n, &onnx__model_proto__descriptor};
    while (depth > 0) {
        const level *top = &stack[depth - 1];
        const ProtobufCFieldDescriptor *field;
        uint64_t tag;
        size_t length;

        if (w.at == top->end) {
            depth--;
            continue;
        }
        if (!get_varint(&w, top->end, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX ||
            !skip_field(&w, top->end, (unsigned)(tag & 7), &length))
            return damaged(err, w.at);
        if (++fields > MAX_FIELDS)
            return mico_fail(err, MICO_ELIMIT, "ONNX model: has more than %zu fields",
                             MAX_FIELDS);
        if ((tag & 7) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        field =
            protobuf_c_message_descriptor_get_field(top->type, (unsigned)(tag >> 3));
        if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            w.at += length;
            continue;
        }
        if (depth == MAX_DEPTH || ++messages > MAX_MESSAGES)
            return mico_fail(err, MICO_ELIMIT,
                             "ONNX model: has more than %d nested or %zu messages",
                             MAX_DEPTH, MAX_MESSAGES);
        stack[depth++] = (level){w.at + length, field->descriptor};
    }
    return MICO_OK;
}
