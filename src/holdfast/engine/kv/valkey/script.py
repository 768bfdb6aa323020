"""What runs on the server: a commit, a comparison and a removal, each atomic there.

All keys come as KEYS, none is made up here, so that a cluster can tell where they are.
"""

from __future__ import annotations

LIBRARY = "holdfast_1"
"""Its name has the version: two versions of Holdfast may use one server."""

PUBLISH, COMPARE, DISCARD = "holdfast_1_publish", "holdfast_1_compare", "holdfast_1_discard"
TELL = "holdfast_1_tell"

WRITERS_MAX = 1024
"""Beyond so many writers those are forgotten that have not written for a day."""

REFUSED, DONE, MISSING = 0, 1, 2
"""What a publication answers; MISSING: one of the entries that were set before is gone, and nothing was done."""

CODE = f"""#!lua name={LIBRARY}

local function forget_old(operations, now)
  local all = redis.call('HGETALL', operations)
  for at = 1, #all, 2 do
    local seconds = tonumber(string.match(all[at + 1], '^%d+ (%d+)'))
    if now - seconds > 86400 then redis.call('HDEL', operations, all[at]) end
  end
end

-- KEYS: turn, operations, the key that is compared, those that must be there, those that are set
-- ARGV: writer, number, turn held, expected ('' for none), value, how many must be there, values that are set
local function publish(keys, args)
  local operations, writer, number = keys[2], args[1], args[2]
  local now = redis.call('TIME')[1]
  local known = redis.call('HGET', operations, writer)
  if known then
    local last, refused = string.match(known, '^(%d+) %d+(.*)$')
    if last == number and refused == '' then
      redis.call('HSET', operations, writer, known) -- who waits for replicas waits for this
      return {DONE}
    end
    if tonumber(last) >= tonumber(number) then return {REFUSED} end -- one that comes late
  end
  local turn = redis.call('GET', keys[1])
  if turn and turn ~= '' and turn ~= args[3] then
    redis.call('HSET', operations, writer, number .. ' ' .. now .. ' refused') -- also if it comes again when it is free
    return {REFUSED}
  end
  if (redis.call('GET', keys[3]) or '') ~= args[4] then return {REFUSED} end
  local checked = tonumber(args[6])
  for at = 4, 3 + checked do
    if redis.call('EXISTS', keys[at]) == 0 then return {MISSING} end
  end
  for at = 4 + checked, #keys do
    redis.call('SET', keys[at], args[at + 3 - checked])
  end
  redis.call('SET', keys[3], args[5])
  local new = redis.call('HSET', operations, writer, number .. ' ' .. now)
  redis.pcall('SPUBLISH', keys[3], number) -- who may not is not heard of at once
  if new == 1 and redis.call('HLEN', operations) > {WRITERS_MAX} then forget_old(operations, tonumber(now)) end
  return {DONE}
end

-- KEYS: the key. ARGV: whether there has to be a value ('1', '0'), which, and the new one
local function compare(keys, args)
  local now = redis.call('GET', keys[1])
  if args[1] == '0' and now then return 0 end
  if args[1] == '1' and now ~= args[2] then return 0 end
  redis.call('SET', keys[1], args[3])
  return 1
end

-- KEYS: the key that is compared, those that go. ARGV: expected
local function discard(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  for at = 2, #keys do redis.call('UNLINK', keys[at]) end
  return 1
end

-- KEYS: the key that those ask for who are to be told
local function tell(keys)
  redis.pcall('SPUBLISH', keys[1], '')
  return {DONE}
end

redis.register_function('{PUBLISH}', publish)
redis.register_function{{function_name='{COMPARE}', callback=compare, flags={{'allow-oom'}}}} -- of the turn, to collect
redis.register_function{{function_name='{DISCARD}', callback=discard, flags={{'allow-oom'}}}}
redis.register_function{{function_name='{TELL}', callback=tell, flags={{'allow-oom'}}}}
"""
