package envelope

import "testing"

func BenchmarkDecode(b *testing.B) {
	payload := inboundPayload(b)
	fields := map[string]string{"data": string(payload), "ts": "1700000000.25", "trace_id": "T"}
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
