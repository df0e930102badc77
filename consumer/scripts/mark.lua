-- Writes a transition of a trace hash that is in another Cluster slot than the stream.
--
-- KEYS[1] the hash
-- ARGV[5] TTL (s), [6] state, [7] now (Unix seconds), [8] delivery count, [9] reason ('' = none)
-- Reply: { "ok" }
trace(KEYS[1], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9])
return { 'ok' }
