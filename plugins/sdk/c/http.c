// Requests through the daemon, and readers of what they answer.
#include "internal.h"

SGS_IMPORT("http_open") int32_t sgs_host_http_open(const void *doc, uint32_t len);
SGS_IMPORT("http_head") int32_t sgs_host_http_head(int32_t handle, void *buf, uint32_t cap);
SGS_IMPORT("http_read") int32_t sgs_host_http_read(int32_t handle, void *buf, uint32_t cap);
SGS_IMPORT("http_close") void sgs_host_http_close(int32_t handle);

enum { HEAD_ROOM = 2048, READ_ROOM = 4096, MAX_LINE = 1 << 20, MAX_EVENT = 8 << 20 };

static void write_headers(sgs_writer *w, const sgs_request *r) {
  sgs_open_map(w, "headers");
  for (size_t i = 0; i < sizeof r->headers / sizeof r->headers[0] && r->headers[i].name.len > 0; i++)
    sgs_add_text(w, r->headers[i].name, r->headers[i].value);
  for (sgs_each it = sgs_members(r->more_headers); it.map && sgs_next(&it);)
    sgs_add_value(w, sgs_as_text(it.key), it.value);
  sgs_close(w);
}

static sgs_value document(sgs_writer *w, const sgs_request *r) {
  sgs_write_begin(w);
  sgs_reserve(&w->out, r->body.len + 1024);
  sgs_open_map(w, SGS_ITEM);
  sgs_add_text(w, "url", r->url);
  if (r->method.len > 0) sgs_add_text(w, "method", r->method);
  if (r->headers[0].name.len > 0 || sgs_count_of(r->more_headers) > 0) write_headers(w, r);
  if (r->body.ptr) sgs_add_bytes(w, "body", r->body);
  if (r->timeout_ms > 0) sgs_add_uint(w, "timeout_ms", r->timeout_ms);
  if (r->secrets[0].len > 0) {
    sgs_open_list(w, "secrets");
    for (size_t i = 0; i < sizeof r->secrets / sizeof r->secrets[0] && r->secrets[i].len > 0; i++)
      sgs_add_text(w, SGS_ITEM, r->secrets[i]);
    sgs_close(w);
  }
  sgs_close(w);
  return sgs_write_end(w);
}

sgs_errno sgs_http_open(const sgs_request *request, sgs_response *response) {
  sgs_writer w;
  *response = (sgs_response){0};
  sgs_value doc = document(&w, request);
  int32_t handle = doc.at ? sgs_host_http_open(doc.at, (uint32_t)(doc.end - doc.at)) : SGS_EINVALID;
  sgs_give_back(&w.out);
  if (handle < 0) return response->_error = handle;
  response->_handle = handle;
  return SGS_OK;
}

sgs_errno sgs_http_wait(sgs_response *response) {
  if (response->_error) return response->_error;
  for (uint32_t room = HEAD_ROOM;;) {
    uint8_t *buf = sgs_memory(room);
    int32_t n = sgs_host_http_head(response->_handle, buf, room);
    if (n < 0) {
      sgs_http_close(response);
      return response->_error = n;
    }
    if ((uint32_t)n > room) {
      room = (uint32_t)n; // the head does not change: now it fits
      continue;
    }
    sgs_value head = {buf, buf + n};
    response->status = (uint32_t)sgs_get_uint(head, "status");
    response->url = sgs_get_text(head, "url");
    response->headers = sgs_get(head, "headers");
    return SGS_OK;
  }
}

sgs_errno sgs_http(const sgs_request *request, sgs_response *response) {
  sgs_errno e = sgs_http_open(request, response);
  return e ? e : sgs_http_wait(response);
}

void sgs_http_close(sgs_response *response) {
  if (response->_handle > 0) sgs_host_http_close(response->_handle);
  response->_handle = 0;
}

sgs_text sgs_http_reason(void) {
  char *buf = sgs_memory(512);
  int32_t n = sgs_host_http_head(0, buf, 512);
  return (sgs_text){buf, n < 0 || n > 512 ? 0 : (uint32_t)n};
}

sgs_text sgs_header_text(const sgs_response *response, sgs_text name) {
  for (sgs_each it = sgs_members(response->headers); sgs_next(&it);) {
    sgs_text key = sgs_as_text(it.key);
    uint32_t same = 0;
    while (key.len == name.len && same < key.len) {
      char c = name.ptr[same];
      if (c >= 'A' && c <= 'Z') c = (char)(c + 'a' - 'A');
      if (key.ptr[same] != c) break;
      same++;
    }
    if (key.len == name.len && same == key.len) return sgs_as_text(sgs_item(it.value, 0));
  }
  return (sgs_text){NULL, 0};
}

// Reads from the daemon.
static int32_t receive(sgs_response *r, void *buf, uint32_t cap) {
  if (r->_error || r->_ended) return r->_error;
  int32_t n = sgs_host_http_read(r->_handle, buf, cap);
  if (n < 0) r->_error = n;
  if (n == 0) r->_ended = true;
  return n;
}

int32_t sgs_read(sgs_response *response, void *buf, uint32_t cap) {
  uint32_t held = response->_line.len - response->_start; // what the reader of lines has not handed out
  if (held == 0) return receive(response, buf, cap);
  uint32_t n = held < cap ? held : cap;
  memcpy(buf, response->_line.ptr + response->_start, n);
  response->_start += n;
  return (int32_t)n;
}

sgs_errno sgs_read_all(sgs_response *response, uint32_t max, sgs_text *body) {
  sgs_buffer b = {0};
  *body = (sgs_text){"", 0};
  for (;;) {
    sgs_reserve(&b, READ_ROOM);
    int32_t n = sgs_read(response, b.ptr + b.len, b.cap - b.len);
    if (n < 0) return n;
    if (n == 0) break;
    b.len += (uint32_t)n;
    if (b.len > max) return SGS_ELIMIT;
  }
  *body = sgs_buffer_text(&b);
  return SGS_OK;
}

// Waits for more in the reader's buffer: 1, 0 at the end, or an errno.
static int32_t more(sgs_response *r) {
  char piece[READ_ROOM];
  if (r->_start > 0) { // what was handed out goes
    r->_line.len -= r->_start;
    memmove(r->_line.ptr, r->_line.ptr + r->_start, r->_line.len);
    r->_start = 0;
  }
  if (r->_line.len >= MAX_LINE) return r->_error = SGS_ELIMIT;
  int32_t n = receive(r, piece, sizeof piece);
  if (n <= 0) return n;
  sgs_keep_append(&r->_line, piece, (uint32_t)n);
  return 1;
}

// Where a line ends in t, at or behind a place, or -1. A CR ends one only if it may.
static int64_t line_end(sgs_text t, uint32_t from, bool by_cr) {
  SGS_UNROLL
  for (; t.len - from >= 8; from += 8) {
    uint64_t eight = sgs_load8(t.ptr + from), ends = sgs_bytes_equal(eight, '\n');
    if (by_cr) ends |= sgs_bytes_equal(eight, '\r');
    if (ends) return from + __builtin_ctzll(ends) / 8;
  }
  SGS_UNROLL
  for (; from < t.len; from++)
    if (t.ptr[from] == '\n' || (by_cr && t.ptr[from] == '\r')) return from;
  return -1;
}

static int32_t read_line(sgs_response *r, sgs_text *line, bool by_cr) {
  for (uint32_t looked = 0;;) {
    if (r->_skip_lf && r->_line.len > r->_start) { // of a CR LF whose CR has ended the last line
      if (r->_line.ptr[r->_start] == '\n') r->_start++;
      r->_skip_lf = false;
    }
    sgs_text held = SGS_BYTES(r->_line.ptr + r->_start, r->_line.len - r->_start);
    int64_t end = line_end(held, looked, by_cr);
    if (end >= 0) {
      *line = SGS_BYTES(held.ptr, end);
      r->_start += (uint32_t)end + 1;
      r->_skip_lf = held.ptr[end] == '\r';
      return 1;
    }
    looked = held.len;
    int32_t n = more(r);
    if (n > 0) continue;
    if (n < 0 || looked == 0) return n;
    *line = SGS_BYTES(r->_line.ptr, r->_line.len); // the last one, without an end
    r->_start = r->_line.len;
    return 1;
  }
}

int32_t sgs_read_line(sgs_response *response, sgs_text *line) {
  int32_t n = read_line(response, line, false);
  if (n > 0 && line->len > 0 && line->ptr[line->len - 1] == '\r') line->len--;
  return n;
}

// Takes a line of an event: field, colon, one space that does not count, value.
static sgs_errno take_field(sgs_response *r, sgs_text line) {
  uint32_t colon = 0;
  while (colon < line.len && line.ptr[colon] != ':') colon++;
  sgs_text name = {line.ptr, colon};
  uint32_t from = colon < line.len ? colon + 1 : colon;
  if (from < line.len && line.ptr[from] == ' ') from++;
  sgs_text text = {line.ptr + from, line.len - from};
  if (sgs_equal(name, "data")) {
    if (r->_data.len + text.len >= MAX_EVENT) return r->_error = SGS_ELIMIT;
    sgs_keep_append(&r->_data, text.ptr, text.len);
    sgs_keep_append(&r->_data, "\n", 1);
  } else if (sgs_equal(name, "event")) {
    r->_event.len = 0;
    sgs_keep_append(&r->_event, text.ptr, text.len);
  } else if (sgs_equal(name, "id") && (text.len == 0 || !memchr(text.ptr, 0, text.len))) {
    r->_id.len = 0;
    sgs_keep_append(&r->_id, text.ptr, text.len);
  }
  return SGS_OK;
}

// The end of a body ends no event: one that has no empty line behind it is cut short, and is not handed out.
int32_t sgs_read_event(sgs_response *response, sgs_event *event) {
  response->_data.len = response->_event.len = 0;
  for (;;) {
    sgs_text line;
    int32_t n = read_line(response, &line, true);
    if (n <= 0) return n;
    if (!response->_begun && sgs_has_prefix(line, "\xef\xbb\xbf")) line = SGS_BYTES(line.ptr + 3, line.len - 3);
    response->_begun = true;
    if (line.len > 0) {
      sgs_errno e = take_field(response, line);
      if (e) return e;
    } else if (response->_data.len > 0) {
      event->data = (sgs_text){response->_data.ptr, response->_data.len - 1};
      event->event = response->_event.len > 0 ? sgs_buffer_text(&response->_event) : SGS_TEXT("message");
      event->id = sgs_buffer_text(&response->_id);
      return 1;
    } else {
      response->_event.len = 0;
    }
  }
}
