// The SDK for plugins in C: everything that a plugin uses. README.md, beside this file, is its reference page.
//
// A text, a value and whatever else a function here hands out is valid until the call ends in which it was asked for:
// the SDK takes the memory back at the next message. Nothing is to be freed. What must outlast a call is copied, by
// malloc, or lies in sgs_config, which lives as long as the instance. A plugin has one thread.
#ifndef SGS_H
#define SGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// ---- Text ----

// sgs_text is a view of bytes, mostly UTF-8, without a zero at its end. Its ptr is NULL where there is none.
typedef struct {
  const char *ptr;
  uint32_t len;
} sgs_text;

static inline sgs_text sgs_text_itself(sgs_text t) { return t; }
static inline sgs_text sgs_text_of(const char *s) { return (sgs_text){s, s ? (uint32_t)strlen(s) : 0}; }

// SGS_TEXT makes a sgs_text of a string, and leaves a sgs_text as it is. The functions below that take a text as a
// key or value do this by themselves, so both can be handed to them.
#define SGS_TEXT(t) _Generic((t), sgs_text : sgs_text_itself, char * : sgs_text_of, const char * : sgs_text_of)(t)

// SGS_ARG hands a sgs_text to printf's "%.*s".
#define SGS_ARG(t) (int)(t).len, (t).ptr

// SGS_BYTES is a view of n bytes at p, for what is not text.
#define SGS_BYTES(p, n) ((sgs_text){(const char *)(p), (uint32_t)(n)})

bool sgs_equal_texts(sgs_text a, sgs_text b);
bool sgs_begins_with(sgs_text t, sgs_text prefix);
// sgs_equal tells whether two texts are the same bytes; sgs_has_prefix, whether the first begins with the second.
#define sgs_equal(a, b) sgs_equal_texts(SGS_TEXT(a), SGS_TEXT(b))
#define sgs_has_prefix(t, prefix) sgs_begins_with(SGS_TEXT(t), SGS_TEXT(prefix))

// ---- The call's memory ----

// sgs_memory returns size bytes, aligned to 8, that are the plugin's until the call ends. It never returns NULL: where
// there is no memory left, the call ends with a trap, which counts as a failed try.
void *sgs_memory(size_t size);

// sgs_mark remembers what the call has taken so far, and sgs_release gives back what it has taken since: for loops
// over long streams. Whatever the SDK has handed out in between, other than a line or an event, is gone.
typedef struct {
  void *chunk;
  uint8_t *top, *limit;
} sgs_marked;
sgs_marked sgs_mark(void);
void sgs_release(sgs_marked mark);

// sgs_format is printf into the call's memory.
sgs_text sgs_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// sgs_buffer is bytes that grow, in the call's memory. A zeroed one is empty.
typedef struct {
  char *ptr;
  uint32_t len, cap;
} sgs_buffer;
void sgs_append_text(sgs_buffer *b, sgs_text t);
void sgs_append_format(sgs_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
sgs_text sgs_buffer_text(const sgs_buffer *b);
// sgs_append puts a text at a buffer's end.
#define sgs_append(b, t) sgs_append_text(b, SGS_TEXT(t))

// ---- Reading values ----

// sgs_value is a view of one value: of the payload, the configuration, a response's header, or what sgs_from_json
// has read. Its at is NULL where there is none. Reading it costs nothing before it is asked for.
typedef struct {
  const uint8_t *at, *end; // at its first byte, end behind the document that it is in
} sgs_value;

// sgs_kind is what a value is.
typedef enum { SGS_ABSENT, SGS_NIL, SGS_BOOL, SGS_INT, SGS_FLOAT, SGS_STR, SGS_BIN, SGS_EXT, SGS_LIST, SGS_MAP } sgs_kind;
sgs_kind sgs_kind_of(sgs_value v);

// These return zero, an empty text or false for a value that is absent, of another kind, or does not fit.
sgs_text sgs_as_text(sgs_value v);   // of a SGS_STR
sgs_text sgs_as_bytes(sgs_value v);  // of a SGS_BIN
int64_t sgs_as_int(sgs_value v);
uint64_t sgs_as_uint(sgs_value v);
double sgs_as_float(sgs_value v);    // of an integer, too
bool sgs_as_bool(sgs_value v);
uint32_t sgs_count_of(sgs_value v);  // members of a list or map

// sgs_find is the value of a map's key, the first one if it is there twice; sgs_item the value at an index of a list,
// from 0. Absent where there is none, or the value is no map or list, so a way can be written down without looks in between:
// sgs_as_text(sgs_get(sgs_item(sgs_get(v, "choices"), 0), "text")).
sgs_value sgs_find(sgs_value map, sgs_text key);
sgs_value sgs_item(sgs_value list, uint32_t index);
#define sgs_get(map, key) sgs_find(map, SGS_TEXT(key))
#define sgs_get_text(map, key) sgs_as_text(sgs_get(map, key))
#define sgs_get_bytes(map, key) sgs_as_bytes(sgs_get(map, key))
#define sgs_get_int(map, key) sgs_as_int(sgs_get(map, key))
#define sgs_get_uint(map, key) sgs_as_uint(sgs_get(map, key))
#define sgs_get_float(map, key) sgs_as_float(sgs_get(map, key))
#define sgs_get_bool(map, key) sgs_as_bool(sgs_get(map, key))

// sgs_each goes through a list or a map: for (sgs_each it = sgs_members(v); sgs_next(&it);) … it.key, it.value
typedef struct {
  sgs_value key;   // of a map; mostly a text. Absent in a list
  sgs_value value;
  const uint8_t *next, *end;
  uint32_t left;
  bool map;
} sgs_each;
sgs_each sgs_members(sgs_value v);
bool sgs_next(sgs_each *it);

// ---- Writing values ----

// SGS_MAX_DEPTH is how deep maps and lists may lie in each other in what is written and in JSON.
#define SGS_MAX_DEPTH 256

// sgs_writer writes a value, into the call's memory. A mistake (a key in a list, none in a map, too deep, a close too many)
// is remembered until the end, which then fails, so nothing needs to be looked at in between.
typedef struct {
  sgs_buffer out;
  bool failed;
  uint32_t depth;
  struct {
    uint32_t at, count;
    bool map;
  } open[SGS_MAX_DEPTH + 2];
} sgs_writer;

// SGS_ITEM is the key of what has none: an item of a list, or the outermost value.
#define SGS_ITEM ((sgs_text){NULL, 0})

void sgs_write_begin(sgs_writer *w);
sgs_value sgs_write_end(sgs_writer *w); // absent after a mistake
void sgs_write_map(sgs_writer *w, sgs_text key);
void sgs_write_list(sgs_writer *w, sgs_text key);
void sgs_write_close(sgs_writer *w);
void sgs_write_text(sgs_writer *w, sgs_text key, sgs_text t);
void sgs_write_bytes(sgs_writer *w, sgs_text key, sgs_text bytes);
void sgs_write_int(sgs_writer *w, sgs_text key, int64_t n);
void sgs_write_uint(sgs_writer *w, sgs_text key, uint64_t n);
void sgs_write_float(sgs_writer *w, sgs_text key, double n);
void sgs_write_bool(sgs_writer *w, sgs_text key, bool b);
void sgs_write_nil(sgs_writer *w, sgs_text key);
void sgs_write_value(sgs_writer *w, sgs_text key, sgs_value v); // byte for byte; nothing at all where it is absent

#define sgs_open_map(w, key) sgs_write_map(w, SGS_TEXT(key))
#define sgs_open_list(w, key) sgs_write_list(w, SGS_TEXT(key))
#define sgs_close(w) sgs_write_close(w)
#define sgs_add_text(w, key, t) sgs_write_text(w, SGS_TEXT(key), SGS_TEXT(t))
#define sgs_add_bytes(w, key, bytes) sgs_write_bytes(w, SGS_TEXT(key), bytes)
#define sgs_add_int(w, key, n) sgs_write_int(w, SGS_TEXT(key), n)
#define sgs_add_uint(w, key, n) sgs_write_uint(w, SGS_TEXT(key), n)
#define sgs_add_float(w, key, n) sgs_write_float(w, SGS_TEXT(key), n)
#define sgs_add_bool(w, key, b) sgs_write_bool(w, SGS_TEXT(key), b)
#define sgs_add_nil(w, key) sgs_write_nil(w, SGS_TEXT(key))
#define sgs_add_value(w, key, v) sgs_write_value(w, SGS_TEXT(key), v)

// ---- JSON ----

// sgs_from_json reads a JSON text (RFC 8259, UTF-8) as a value. An integer of 64 bits is a SGS_INT, every other number a
// SGS_FLOAT. It is absent where the text is malformed, nested deeper than SGS_MAX_DEPTH, or has a number that is too large.
sgs_value sgs_from_json(sgs_text json);
// sgs_to_json writes a value as JSON, without white space. Binary is base64; bytes in a text that are not UTF-8 are
// replaced by U+FFFD. Its ptr is NULL for what JSON can't say: absent, not a number, infinite, ext, a key that is no text.
sgs_text sgs_to_json(sgs_value v);

// ---- What functions of the daemon answer ----

// sgs_errno is 0 for success. Other negative numbers than these are failures, too.
typedef enum {
  SGS_OK = 0,
  SGS_EINVALID = -1,     // malformed
  SGS_EDENIED = -2,      // the operator, or the moment, does not allow it
  SGS_ELIMIT = -3,       // a limit is reached
  SGS_EFAULT = -4,
  SGS_ECANCELLED = -5,   // the deadline has passed, or the message went to another worker
  SGS_ENOTFOUND = -6,    // the state has no such key
  SGS_EUNAVAILABLE = -7, // Redis or the server did not answer; another try may find it well
} sgs_errno;

// sgs_errno_name is the number's name in the contract, such as "EDENIED". It is valid until the next call of it.
const char *sgs_errno_name(sgs_errno e);

// ---- The message and what becomes of it ----

// sgs_message is what is to be handled.
typedef struct {
  sgs_text stream, id;
  uint32_t attempt;     // 1 on the first try
  double ts;            // when it was enqueued, in Unix seconds
  sgs_text trace_id, platform, channel_key;
  bool maybe_delivered; // an earlier try to deliver it was begun, and nobody knows whether it arrived
  sgs_value payload;
} sgs_message;

// sgs_verdict is what becomes of the message.
typedef struct {
  uint64_t packed;
} sgs_verdict;

// sgs_done: what was emitted and set is written. sgs_drop: acknowledged, and nothing is written.
static inline sgs_verdict sgs_done(void) { return (sgs_verdict){0}; }
static inline sgs_verdict sgs_drop(void) { return (sgs_verdict){(uint64_t)3 << 32}; }
// sgs_retry: tried again, not before after_ms milliseconds (0: when the daemon sees fit). sgs_fail is that with 0.
// sgs_reject: to the dead letters at once. Each has a reason, as printf does.
sgs_verdict sgs_retry(uint32_t after_ms, const char *format, ...) __attribute__((format(printf, 2, 3)));
sgs_verdict sgs_reject(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define sgs_fail(...) sgs_retry(0, __VA_ARGS__)
// sgs_done_if is sgs_done if a function of the daemon has answered 0, and else tries again, with the number's name as reason.
sgs_verdict sgs_done_if(sgs_errno e);

// ---- What a plugin does ----

// An emit is begun, its payload written with sgs_add_…, and ended by sgs_emit, which hands it over.
void sgs_emit_begin(sgs_writer *w, sgs_text platform, sgs_text stream);
sgs_errno sgs_emit(sgs_writer *w);
// sgs_emit_to begins one for a platform; sgs_emit_stream one for a stream that the operator allows (emit_streams).
#define sgs_emit_to(w, platform) sgs_emit_begin(w, SGS_TEXT(platform), SGS_ITEM)
#define sgs_emit_stream(w, stream) sgs_emit_begin(w, SGS_ITEM, SGS_TEXT(stream))

sgs_errno sgs_reply_text(const sgs_message *m, sgs_text text);
// sgs_reply answers a message with a text in the channel that it came from.
#define sgs_reply(m, text) sgs_reply_text(m, SGS_TEXT(text))

typedef enum { SGS_DEBUG, SGS_INFO, SGS_WARN, SGS_ERROR } sgs_level;
// sgs_log writes a line to the daemon's log, as printf does, without a line break at its end. sgs_log_text writes a text as it is.
void sgs_log(sgs_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sgs_log_text(sgs_level level, sgs_text text);

// The state: values in Redis that last. sgs_state_get answers SGS_ENOTFOUND where there is none. A value that is set
// expires ttl_ms milliseconds after the message is done; 0: never.
sgs_errno sgs_state_read(sgs_text key, sgs_text *value);
sgs_errno sgs_state_write(sgs_text key, sgs_text value, int64_t ttl_ms);
#define sgs_state_get(key, value) sgs_state_read(SGS_TEXT(key), value)
#define sgs_state_set(key, value, ttl_ms) sgs_state_write(SGS_TEXT(key), SGS_TEXT(value), ttl_ms)
#define sgs_state_delete(key) sgs_state_write(SGS_TEXT(key), SGS_ITEM, -1)

sgs_errno sgs_count_text(sgs_text name, int64_t n);
// sgs_count adds n to the plugin's own counter of that name (a to z, 0 to 9, _), for the daemon's metrics.
#define sgs_count(name, n) sgs_count_text(SGS_TEXT(name), n)

// sgs_deadline_ms is how many milliseconds the call has left.
int64_t sgs_deadline_ms(void);

// sgs_config is the configuration, the operator's table plugins.<name>.config, where SGS_CONFIGURE is used. It and its
// texts live as long as the instance.
sgs_value sgs_config(void);

// ---- HTTP ----

// sgs_header is a field of a request's header.
typedef struct {
  sgs_text name, value;
} sgs_header;

// sgs_request is what is asked of a server. What is zero is absent.
typedef struct {
  sgs_text method; // absent: GET
  sgs_text url;
  sgs_header headers[16]; // up to the first without a name
  sgs_value more_headers; // a map of further ones: a text for a name, or a list of texts
  sgs_text body;
  uint32_t timeout_ms;    // absent, and at most: what the operator allows
  sgs_text secrets[8];    // ids; up to the first that is empty
} sgs_request;

// sgs_response is what a server has answered. What begins with an underscore is the SDK's.
typedef struct {
  uint32_t status;   // any one is a response, and no error
  sgs_text url;      // what has answered: another than the request's if the daemon followed redirects
  sgs_value headers; // names in lower case, each with a list of texts
  int32_t _handle;
  sgs_errno _error;
  bool _ended, _skip_lf, _begun;
  uint32_t _start;   // of what is not yet read in _line
  sgs_buffer _line, _data, _event, _id;
} sgs_response;

// sgs_http sends a request and waits for the head of its response. sgs_http_open sends it only, and sgs_http_wait waits, so
// that several can be under way.
sgs_errno sgs_http(const sgs_request *request, sgs_response *response);
sgs_errno sgs_http_open(const sgs_request *request, sgs_response *response);
sgs_errno sgs_http_wait(sgs_response *response);
// sgs_http_reason is the daemon's text to the last of the call's errors over HTTP.
sgs_text sgs_http_reason(void);

sgs_text sgs_header_text(const sgs_response *response, sgs_text name);
// sgs_response_header is the first value of a header field, whatever the case of the name.
#define sgs_response_header(response, name) sgs_header_text(response, SGS_TEXT(name))

// sgs_read waits for more of the body: how many bytes, at most cap; 0 at the end; or a sgs_errno.
int32_t sgs_read(sgs_response *response, void *buf, uint32_t cap);
// sgs_read_all reads the body to its end; SGS_ELIMIT if it has more than max bytes.
sgs_errno sgs_read_all(sgs_response *response, uint32_t max, sgs_text *body);
// sgs_read_line waits for a line, without its LF or CR LF: 1; 0 at the end; or a sgs_errno. The line is valid until the
// next one is read. One of more than 1 MiB is SGS_ELIMIT.
int32_t sgs_read_line(sgs_response *response, sgs_text *line);

// sgs_event is a server-sent event: event is "message" where the server gives no other, id is empty where it gives none.
typedef struct {
  sgs_text event, data, id;
} sgs_event;
// sgs_read_event waits for an event: 1; 0 at the end; or a sgs_errno. It is valid until the next one is read.
int32_t sgs_read_event(sgs_response *response, sgs_event *event);
// sgs_http_close ends a request before its call does. It may be called twice.
void sgs_http_close(sgs_response *response);

// ---- What the daemon calls ----

#define SGS_EXPORT(name) __attribute__((export_name(name)))
uint64_t sgs_run_handle(const uint8_t *doc, uint32_t len, sgs_verdict (*handle)(const sgs_message *));
int32_t sgs_run_configure(const uint8_t *doc, uint32_t len, const char *(*configure)(sgs_value));

// SGS_HANDLE names the function of a message; each plugin has one.
#define SGS_HANDLE(function) \
  SGS_EXPORT("sgs_handle") uint64_t sgs_export_handle(const uint8_t *doc, uint32_t len) { return sgs_run_handle(doc, len, function); }

// SGS_CONFIGURE names the function that looks at the configuration, once for each instance, before its first message. It
// returns NULL, or why it refuses it. A plugin without it takes no configuration.
#define SGS_CONFIGURE(function) \
  SGS_EXPORT("sgs_configure") int32_t sgs_export_configure(const uint8_t *doc, uint32_t len) { return sgs_run_configure(doc, len, function); }

// SGS_STOP names a function that is called before an instance in good order ends.
#define SGS_STOP(function) \
  SGS_EXPORT("sgs_stop") void sgs_export_stop(void) { function(); }

#endif
