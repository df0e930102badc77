-- Appends to a stream that is in another Cluster slot than the one that is read: what was emitted, or dead letters.
--
-- KEYS[1] the stream to append to, KEYS[2] a ledger in its slot
-- ARGV[5] batch number, [6] ledger TTL (ms), then for each entry its MAXLEN, the number of its names and values, and these
-- Reply: for each entry '', or the reason why it was not appended; where there are no entries, the reason why none could be
local ledger, number = KEYS[2], ARGV[5]
local refused = unappendable(KEYS[1]) or ''
if #ARGV == 6 then return { refused } end

local last = redis.pcall('HMGET', ledger, 'batch', 'reply')
if last[1] == number then return cjson.decode(last[2]) end

local reply, i = {}, 7
while i <= #ARGV do
  local fields, to = {}, i + 1 + tonumber(ARGV[i + 1])
  for at = i + 2, to do fields[#fields + 1] = ARGV[at] end
  reply[#reply + 1] = refused ~= '' and refused or append(KEYS[1], ARGV[i], unpack(fields)) or ''
  i = to + 1
end
redis.pcall('HSET', ledger, 'batch', number, 'reply', cjson.encode(reply))
redis.pcall('PEXPIRE', ledger, ARGV[6])
return reply
