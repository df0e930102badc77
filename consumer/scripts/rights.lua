-- Asks whether the Redis user has every right that the other scripts rely on, so that a lack shows before the
-- first message is read, and not between two writes. Redis before 7.0 can't be asked.
--
-- KEYS[1] stream, KEYS[2] dead letters, KEYS[3] ledger, KEYS[4] counter of what was given back, KEYS[5] audit hash, KEYS[6] the audit hash
--   before it, KEYS[7] a channel's lock, KEYS[8] a trace hash
-- ARGV[1] group, [2] consumer
-- Reply: the commands that the user may not run
local missing = {}
local function need(...)
  if redis.acl_check_cmd and not redis.acl_check_cmd(...) then missing[#missing + 1] = table.concat({ ... }, ' ', 1, 2) end
end

need('XPENDING', stream, group, '-', '+', 1)
need('XRANGE', stream, '-', '+')
need('XACK', stream, group, '0-1')
need('XCLAIM', stream, group, consumer, 0, '0-1')
need('XINFO', 'CONSUMERS', stream, group)
need('XINFO', 'GROUPS', stream)
need('XGROUP', 'DELCONSUMER', stream, group, consumer)
need('XREADGROUP', 'GROUP', group, consumer, 'STREAMS', stream, '>')
need('TYPE', KEYS[2])
need('XADD', KEYS[2], '*', 'data', '')
need('HMGET', KEYS[3], 'batch')
need('HSET', KEYS[3], 'batch', '')
need('PEXPIRE', KEYS[3], 1)
need('GET', KEYS[4])
need('INCR', KEYS[4])
need('EXPIRE', KEYS[4], 1)
need('HLEN', KEYS[5])
need('RENAME', KEYS[5], KEYS[6])
need('GET', KEYS[7])
need('SET', KEYS[7], '')
need('DEL', KEYS[7])
need('HSET', KEYS[8], 'state', '')
need('HDEL', KEYS[8], 'error')
need('TTL', KEYS[8])
return missing
