package sgs

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Event is one server-sent event.
type Event struct {
	// Name is the event's name, which is "message" where the server gives none.
	Name string
	// Data are its lines of data, with line breaks between them.
	Data string
	// ID is the last id that the server has given, with this event or one before it; it may be empty.
	ID string
}

// maxEvent is the size of one event, in bytes.
const maxEvent = 8 << 20

// Events reads server-sent events as they arrive, such as those of a response's Body:
//
//	for event, err := range sgs.Events(response.Body) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// An event without data is none. An event that the end of the body cuts short is none either. The error, if there is one,
// comes last: that of the reader, or of an event larger than 8 MiB.
func Events(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := lineReader{r: r}
		e := pending{name: "message"}
		for {
			line, err := lines.next()
			if err == io.EOF {
				return
			}
			if err == nil && e.size+len(line) > maxEvent {
				err = errors.New("events: an event is larger than " + strconv.Itoa(maxEvent) + " bytes")
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			if len(line) > 0 {
				e.take(string(line))
				continue
			}
			if e.hasData && !yield(Event{Name: e.name, Data: e.data.String(), ID: e.id}, nil) {
				return
			}
			e = pending{name: "message", id: e.id}
		}
	}
}

// pending is an event as far as it has been read.
type pending struct {
	name, id string
	data     strings.Builder
	hasData  bool
	size     int
}

// take adds one line that is not empty.
func (e *pending) take(line string) {
	e.size += len(line)
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch key {
	case "event":
		if e.name = value; value == "" {
			e.name = "message"
		}
	case "id":
		if !strings.Contains(value, "\x00") {
			e.id = value
		}
	case "data":
		if e.hasData {
			e.data.WriteByte('\n')
		}
		e.hasData = true
		e.data.WriteString(value)
	}
}

// lineReader splits what arrives into lines, which end with \n, \r or both.
type lineReader struct {
	r         io.Reader
	unread    []byte // what has arrived and is no part of a line yet
	looked    int    // how much of it holds no line's end
	afterCR   bool   // a \n at its beginning belongs to the line before
	afterMark bool   // a byte order mark has been passed, or was not there
	room      [4096]byte
}

// next returns the next line without its end; it is valid until the next call. A line that has no end is none.
func (l *lineReader) next() ([]byte, error) {
	for {
		if l.afterCR && len(l.unread) > 0 {
			l.afterCR = false
			l.unread = bytes.TrimPrefix(l.unread, []byte("\n"))
		}
		if i := bytes.IndexAny(l.unread[l.looked:], "\r\n"); i >= 0 {
			end := l.looked + i
			line := l.unread[:end]
			l.afterCR = l.unread[end] == '\r'
			l.unread, l.looked = l.unread[end+1:], 0
			if !l.afterMark {
				l.afterMark = true
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			return line, nil
		}
		l.looked = len(l.unread)
		if l.looked > maxEvent {
			return l.unread, nil // more than an event may have
		}
		n, err := l.r.Read(l.room[:])
		l.unread = append(l.unread, l.room[:n]...)
		if n == 0 && err != nil {
			return nil, err
		}
	}
}
