-- Stands behind prelude.lua in the scripts that read, finish or hand out entries whose channel's order is kept.
--
-- The order: which entries of a channel are pending, where its order is kept. What there is of a channel is its lane,
-- "<length>:<channel>:", and as many colons more as make it longer than the 64 bytes (hash-max-listpack-value) up to which Redis
-- keeps a hash as a list that it searches. The hash "lanes" has a field for each: the id of its only entry, or '' where it has
-- more. Those are members of the sorted set "order", whose scores are all 0, so that they stand in the order of their bytes: the
-- lane, and then the id with leading zeros. The first of a lane may run; the others are parked, and scheduled when all before
-- them are done.
--
-- Most channels have one message pending, and a hash takes in and gives up many of these at once, at a third of what a sorted set
-- takes for each.

-- Reads the head of the msgpack value at position i of s. It returns where its body begins, the body's bytes, and how
-- many values follow as its elements; or nil where there is no value.
local function uint(s, i, n)
  local v = 0
  for k = i + 1, i + n do v = v * 256 + (string.byte(s, k) or 0) end
  return v
end

local function head(s, i)
  local b = string.byte(s, i)
  if not b or b == 0xc1 then return nil end
  if b <= 0x7f or b >= 0xe0 then return i + 1, 0, 0 end
  if b <= 0x8f then return i + 1, 0, 2 * (b - 0x80) end
  if b <= 0x9f then return i + 1, 0, b - 0x90 end
  if b <= 0xbf then return i + 1, b - 0xa0, 0 end
  if b <= 0xc3 then return i + 1, 0, 0 end
  if b <= 0xc6 then local n = 2 ^ (b - 0xc4) return i + 1 + n, uint(s, i, n), 0 end -- bin
  if b <= 0xc9 then local n = 2 ^ (b - 0xc7) return i + 2 + n, uint(s, i, n), 0 end -- ext
  if b <= 0xcb then return i + 1, 4 * (b - 0xc9), 0 end                       -- float
  if b <= 0xcf then return i + 1, 2 ^ (b - 0xcc), 0 end                       -- uint
  if b <= 0xd3 then return i + 1, 2 ^ (b - 0xd0), 0 end                       -- int
  if b <= 0xd8 then return i + 2, 2 ^ (b - 0xd4), 0 end                       -- fixext
  if b <= 0xdb then local n = 2 ^ (b - 0xd9) return i + 1 + n, uint(s, i, n), 0 end -- str
  if b <= 0xdd then local n = 2 ^ (b - 0xdb) return i + 1 + n, 0, uint(s, i, n) end -- array
  local n = 2 ^ (b - 0xdd)
  return i + 1 + n, 0, 2 * uint(s, i, n)                                      -- map
end

-- Redis must not be kept from others by payloads that are all small values. A payload's channel is looked for in so many
-- of its values, and a script that reads payloads begins no further one once it has walked over so many altogether.
local most_walked, most_walked_in_all = 5000, 50000
local walked, walked_in_all = 0, 0
local function is_tired() return walked_in_all >= most_walked_in_all end

-- The position behind the value at i, or nil where there is none, or too much was walked over.
local function behind(s, i)
  local left = 1
  while left > 0 do
    local body, bytes, elements = head(s, i)
    walked, walked_in_all = walked + 1, walked_in_all + 1
    if not body or walked > most_walked then return nil end
    i, left = body + bytes, left - 1 + elements
  end
  return i
end

-- The text that is the value at i, or nil where that is of another type.
local function text(s, i)
  local b = string.byte(s, i)
  if not b or not (b >= 0xa0 and b <= 0xbf or b >= 0xd9 and b <= 0xdb) then return nil end
  local body, bytes = head(s, i)
  return string.sub(s, body, body + bytes - 1)
end

local shortest_lane = 65

-- The lane of an entry with these fields, or nil where its order is not kept: it names no channel, or is not addressed
-- where only that counts.
local function lane_of(fields)
  if ordered == 'none' then return nil end
  local data
  for i = 1, #fields, 2 do
    if fields[i] == 'data' then data = fields[i + 1] end
  end
  local b = data and string.byte(data, 1)
  if not b or not (b >= 0x80 and b <= 0x8f or b == 0xde or b == 0xdf) then return nil end
  walked = 0
  local i, _, elements = head(data, 1)
  local channel, addressed = nil, ordered ~= 'addressed' or nil
  for _ = 1, elements, 2 do
    local name, value = text(data, i), behind(data, i)
    if not value then return nil end
    if name == channel_key then channel = text(data, value) end
    if name == 'is_addressed' and ordered == 'addressed' then addressed = string.byte(data, value) == 0xc3 end
    if channel and addressed ~= nil then break end
    i = behind(data, value)
    if not i then return nil end
  end
  if not channel or channel == '' or not addressed then return nil end
  local lane = #channel .. ':' .. channel .. ':'
  return lane .. string.rep(':', shortest_lane - #lane)
end

local zeros = '00000000000000000000'
local function member(lane, id)
  local dash = string.find(id, '-', 1, true)
  local ms, seq = string.sub(id, 1, dash - 1), string.sub(id, dash + 1)
  return lane .. string.sub(zeros, #ms + 1) .. ms .. '-' .. string.sub(zeros, #seq + 1) .. seq
end

local function id_of(name)
  local ms, seq = string.match(name, '0*(%d+)%-0*(%d+)$')
  return ms .. '-' .. seq
end

local function lane_in(name) return string.sub(name, 1, -42) end

-- Writes the lanes anew that have several entries, where somebody has deleted the hash.
local function restore_lanes()
  for _, name in ipairs(redis.call('ZRANGE', order, '0', '-1')) do redis.call('HSET', lanes, lane_in(name), '') end
end

-- The first members that the sorted set has of a lane, as many as asked for.
local function members(lane, n)
  return redis.call('ZRANGEBYLEX', order, '[' .. lane, '(' .. string.sub(lane, 1, -2) .. ';', 'LIMIT', '0', n)
end

-- The ids of a lane's first entries, as many as asked for.
local function firsts(lane, n)
  local only = redis.call('HGET', lanes, lane)
  if only and only ~= '' then return { only } end
  local names = members(lane, n)
  for i = 1, #names do names[i] = id_of(names[i]) end
  return names
end

-- Puts an entry into a lane.
local function enter(lane, id)
  local only = redis.call('HGET', lanes, lane)
  if only == id then return end
  if not only and redis.call('HLEN', lanes) == 0 then restore_lanes() end
  if not only and not members(lane, '1')[1] then
    redis.call('HSET', lanes, lane, id)
    return
  end
  redis.call('ZADD', order, '0', member(lane, id))
  if only and only ~= '' then redis.call('ZADD', order, '0', member(lane, only)) end
  redis.call('HSET', lanes, lane, '')
end

-- Takes an entry out of its lane.
local function leave(lane, id)
  local only = redis.call('HGET', lanes, lane)
  if only ~= id then redis.call('ZREM', order, member(lane, id)) end
  if only == id or only == '' and not members(lane, '1')[1] then redis.call('HDEL', lanes, lane) end
end

-- The id of the first of a lane that is pending, and the pending list's word on it; or nil. What is not pending any
-- more (acknowledged by hand), or not in the stream, must not keep the others waiting.
local function first_of(lane)
  while true do
    local id = firsts(lane, '1')[1]
    if not id then return nil end
    local p = pending(id)
    -- What was trimmed while it waited has no turn: the sweep acknowledges it, and tells.
    if p and (p[2] ~= parked or is_there(id)) then return id, p end
    leave(lane, id)
  end
end

-- Whether an entry of the lane may run: all before it are done, and none behind it runs already.
local function is_next(lane, id)
  local two = firsts(lane, '2')
  if two[1] ~= id then
    if first_of(lane) ~= id then return false end
    two = firsts(lane, '2')
  end
  local p = two[2] and pending(two[2])
  return not p or p[2] == parked
end

-- Schedules the first of a lane, if it waits. It returns whether it did.
local function call_next(lane)
  local id, p = first_of(lane)
  if not id or p[2] ~= parked or due_at(id, p[4]) then return false end
  hand_out_at(id, p[4], 0)
  return true
end
