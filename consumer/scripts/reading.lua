-- Stands behind order.lua in the scripts that give a consumer what nobody has read yet.

-- What XINFO tells of the group, by name; or nil where there is no group.
local function group_info()
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return nil end
  for _, flat in ipairs(groups) do
    local g = {}
    for i = 1, #flat, 2 do g[flat[i]] = flat[i + 1] end
    if g.name == group then return g end
  end
  return nil
end

-- Registers an entry in the order, and parks it, charged no try, where it is not the first of its lane. It returns whether
-- it may run.
local function register(id, lane)
  enter(lane, id)
  if is_next(lane, id) then return true end
  redis.call('XCLAIM', stream, group, parked, '0', id, 'RETRYCOUNT', '0', 'JUSTID')
  return false
end

-- Whether so many are in the order already that no more are to be read; or an error, where it is none.
local function is_full(most)
  local known, several = redis.pcall('HLEN', lanes), redis.pcall('ZCARD', order)
  for key, answer in pairs({ [lanes] = known, [order] = several }) do
    if type(answer) == 'table' then
      return nil, redis.error_reply('ERR key "' .. key .. '" is no order of channels; delete it: ' .. answer.err)
    end
  end
  if known == 0 and several > 0 then restore_lanes() end
  return known + several >= most
end
