-- Commits what messages have made of the state that is in one Cluster slot, another than the stream's: each of them as a
-- whole, and only if what it has read there still holds.
--
-- KEYS[1] a ledger in the slot, KEYS[2..] keys that ARGV names by position
-- ARGV[5] batch number ('' = nothing is written, it is only looked whether it could be), [6] ledger TTL (ms), then for each
--   message the number of its arguments, and these: the number of reads, for each the key's position, kind and value; for each
--   write the key's position, value and expiry
-- Reply: for each message "ok", "conflict" or an error's text
local ledger, number = KEYS[1], ARGV[5]
local last = number ~= '' and redis.pcall('HMGET', ledger, 'batch', 'reply') or {}
if number ~= '' and last[1] == number then return cjson.decode(last[2]) end

local function triples(from, to)
  local list = {}
  for i = from, to, 3 do list[#list + 1] = { KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2] } end
  return list
end

local function apply(first, final)
  local middle = first + 3 * tonumber(ARGV[first])
  local writes = triples(middle + 1, final)
  local same, refused = holds(triples(first + 1, middle))
  refused = refused or unwritable(writes)
  if refused then return refused end
  if not same then return 'conflict' end
  if number ~= '' then
    for _, w in ipairs(writes) do write(w) end
  end
  return 'ok'
end

local reply, i = {}, 7
while i <= #ARGV do
  local final = i + tonumber(ARGV[i])
  reply[#reply + 1] = apply(i + 1, final)
  i = final + 1
end
if number ~= '' then
  redis.pcall('HSET', ledger, 'batch', number, 'reply', cjson.encode(reply))
  redis.pcall('PEXPIRE', ledger, ARGV[6])
end
return reply
