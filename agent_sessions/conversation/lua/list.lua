-- The latest used first. ARGV from 5: how many, and after whom: the milliseconds and id of the last one seen ('' for the beginning).
-- What another program wrote meanwhile is sent whole, since what is noted about it no longer holds.
local LIMIT, AFTER_AT, AFTER_ID = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local FAR = 10 * LIMIT + 1000
local at, items, offset, seen = now(), {}, 0, 0
local ceiling = AFTER_AT ~= '' and AFTER_AT or '+inf'

local function describe(member, score)
  local left = redis.call('PTTL', PREFIX .. member)
  if left == -2 then
    redis.call('ZREM', INDEX, member)
    return
  end
  offset = offset + 1
  -- A key of another kind is none of ours: it is left out, or nothing is known about it.
  local size = redis.pcall('STRLEN', PREFIX .. member)
  if type(size) ~= 'number' then return end
  local about = redis.pcall('HMGET', PREFIX .. member .. '#about', 'language', 'turns', 'question', 'bytes')
  local text = ''
  if tonumber(about[4] or '-1') ~= size then
    text = redis.call('GET', PREFIX .. member)
  end
  items[#items + 1] = {member, score, whole(left), about[1] or '', about[2] or '0', about[3] or '', text}
end

repeat
  local batch = redis.call('ZREVRANGEBYSCORE', INDEX, ceiling, '-inf', 'WITHSCORES', 'LIMIT', offset, LIMIT + 1)
  for i = 1, #batch, 2 do
    seen = seen + 1
    if batch[i + 1] == AFTER_AT and batch[i] >= AFTER_ID then
      offset = offset + 1
    elseif #items <= LIMIT then
      describe(batch[i], batch[i + 1])
    end
  end
until #batch == 0 or #items > LIMIT or seen > FAR
return {'ok', whole(at), items}
