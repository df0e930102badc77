-- Stands behind prelude.lua in the scripts that begin the handling of messages.

-- Parks a message whose lock another holds, charged no try, to be looked at again after a while.
local function wait_for_lock(id, count, pause)
  give(parked, id, count - 1)
  hand_out_at(id, count - 1, clock() + pause)
  return 'busy'
end

-- Takes the lock that a message wants (nil = none). It returns nil, "busy" (another holds it, and the message is parked), or an
-- error's text.
local function begin(id, count, key, token, ttl, pause)
  if not key or redis.call('SET', key, token, 'NX', 'PX', ttl) then return nil end
  local holder = redis.pcall('GET', key)
  if type(holder) == 'table' then return 'key "' .. key .. '" is not a lock: ' .. holder.err end
  if holder ~= token then return wait_for_lock(id, count, pause) end
  -- Held by this very token: the reply of an earlier try was lost.
  redis.call('PEXPIRE', key, ttl)
  return nil
end
