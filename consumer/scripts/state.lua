-- Stands behind prelude.lua and in front of the scripts that commit the state of plugins. A read is { key, 'absent', 'value' or
-- 'sha1', and the value or its digest }; a write is { key, value, and 'delete', 'keep' or the time until it expires (ms) }.

-- The reason why the state can't be written, or nil: SET would replace what is no plugin's.
local function unwritable(writes)
  for _, w in ipairs(writes) do
    local kind = redis.call('TYPE', w[1]).ok
    if kind ~= 'none' and kind ~= 'string' then return 'key "' .. w[1] .. '" is a ' .. kind .. ', not state of a plugin; rename or delete it' end
  end
  return nil
end

-- Whether the state is what the plugin has read.
local function holds(reads)
  for _, r in ipairs(reads) do
    local value = redis.pcall('GET', r[1])
    if type(value) == 'table' then return nil, 'key "' .. r[1] .. '" is not state of a plugin: ' .. value.err end
    if r[2] == 'absent' and value or r[2] ~= 'absent' and not value then return false end
    if r[2] == 'value' and value ~= r[3] or r[2] == 'sha1' and redis.sha1hex(value) ~= r[3] then return false end
  end
  return true
end

local function write(w)
  if w[3] == 'delete' then
    redis.call('DEL', w[1])
  elseif w[3] == 'keep' then
    redis.call('SET', w[1], w[2])
  else
    redis.call('SET', w[1], w[2], 'PX', w[3])
  end
end
