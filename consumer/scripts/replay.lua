-- Moves dead letters back to streams. Each is appended to its target and removed from the dead letters in the same
-- step, so a letter that is not there any more was moved before, or dropped. It is read here, and not sent, so that
-- its payload arrives byte for byte.
--
-- This script stands alone, without prelude.lua: it belongs to no group.
--
-- KEYS[1] dead letters, KEYS[2..] targets that ARGV names by position
-- ARGV[1] now (Unix seconds), then for each letter, in the order in which they are to be appended
--   id, target's position
-- Reply: { refusal ('' = none), then for each letter the new entry's id, or '' (the letter is gone) }. Behind a
--   refusal nothing more is moved: a later letter may be of the same channel as the refused one
local dead, now = KEYS[1], ARGV[1]
local original = 'original_field:'

-- Lua does not roll back, so everything that can be refused is asked for before the first write.
local function refusal()
  for i = 2, #KEYS do
    local kind = redis.call('TYPE', KEYS[i]).ok
    if kind ~= 'none' and kind ~= 'stream' then
      return 'key "' .. KEYS[i] .. '" is a ' .. kind .. ', not a stream; rename or delete it'
    end
  end
  -- No entry has this id. An append without the right to remove would be a duplicate at the next try.
  local probe = redis.pcall('XDEL', dead, '0-0')
  if type(probe) == 'table' and probe.err then return 'nothing can be removed from "' .. dead .. '": ' .. probe.err end
  return ''
end

-- The entry that the letter once was, enqueued now. A letter's data is empty where its entry had none.
local function entry(letter)
  local own, foreign = { data = '', trace_id = '' }, {}
  for i = 1, #letter, 2 do
    local name, value = letter[i], letter[i + 1]
    if string.sub(name, 1, #original) == original then
      foreign[#foreign + 1] = string.sub(name, #original + 1)
      foreign[#foreign + 1] = value
    elseif own[name] then
      own[name] = value
    end
  end
  local fields = { 'ts', now, 'trace_id', own.trace_id }
  if own.data ~= '' then fields = { 'data', own.data, 'ts', now, 'trace_id', own.trace_id } end
  -- unpack has room for about 8,000 values.
  if #fields + #foreign > 7000 then return nil, 'it has more fields than a script can pass on' end
  for _, f in ipairs(foreign) do fields[#fields + 1] = f end
  return fields, nil
end

local function move(id, target)
  local letter = redis.call('XRANGE', dead, id, id)[1]
  if not letter then return '', nil end
  local fields, refused = entry(letter[2])
  if refused then return nil, 'dead letter ' .. id .. ': ' .. refused end
  local added = redis.pcall('XADD', target, '*', unpack(fields))
  if type(added) == 'table' and added.err then return nil, 'stream "' .. target .. '": ' .. added.err end
  redis.call('XDEL', dead, id)
  return added, nil
end

local reply = { refusal() }
if reply[1] ~= '' then return reply end
for i = 2, #ARGV, 2 do
  local new, refused = move(ARGV[i], KEYS[tonumber(ARGV[i + 1])])
  if refused then
    reply[1] = refused
    break
  end
  reply[#reply + 1] = new
end
return reply
