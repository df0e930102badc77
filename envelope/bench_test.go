package envelope

import (
	"testing"

	"github.com/sgstreamd/sgstreamd/abi"
)

func BenchmarkDecode(b *testing.B) {
	payload := inboundPayload(b)
	fields := Fields{"data", string(payload), "ts", "1700000000.25", "trace_id", "T"}
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode("s", "5-0", 1, fields, limit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := message(b)
	m.Payload = inboundPayload(b)
	for name, codec := range Codecs() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(m.Payload)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				var err error
				if buf, err = codec.AppendMessage(buf[:0], m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFromJSON(b *testing.B) {
	doc, err := ToJSON(inboundPayload(b))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromJSON(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEmit(b *testing.B) {
	doc := emitDoc(b)
	asJSON, err := ToJSON(doc)
	if err != nil {
		b.Fatal(err)
	}
	codecs := Codecs()
	for name, doc := range map[string][]byte{abi.CodecMsgpack: doc, abi.CodecJSON: asJSON} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			codec := codecs[name]
			for b.Loop() {
				if _, err := codec.DecodeEmit(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNormalize(b *testing.B) {
	e, err := Msgpack{}.DecodeEmit(emitDoc(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Normalize(e, "sgs:sg:stream:inbound:1700000001000-3:0", "0af7651916cd43dd8448eb211c80319c"); err != nil {
			b.Fatal(err)
		}
	}
}
