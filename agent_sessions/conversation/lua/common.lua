-- Opens every script. KEYS: text, about, index, store. ARGV: store name, id, time to live in ms, channel, then the script's own.
local TEXT, ABOUT, INDEX, STORE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ID, TTL, CHANNEL = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local PREFIX = string.sub(TEXT, 1, #TEXT - #ID)

if redis.call('GET', STORE) ~= ARGV[1] then return {'other'} end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number) return string.format('%.0f', number) end

-- A stamp names one stored version: our count, and the length, by which a foreign write is noticed.
-- What is noted about a text that is gone no longer counts.
local function stamp()
  local size = redis.call('STRLEN', TEXT)
  return (size > 0 and redis.call('HGET', ABOUT, 'version') or '0') .. ':' .. size
end

-- Members whose conversation is gone leave the index; one that others kept alive gets its true place.
local function trim(count)
  local at = now()
  local oldest = redis.call('ZRANGE', INDEX, 0, count - 1, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    if tonumber(oldest[i + 1]) > at - TTL then break end
    local left = redis.call('PTTL', PREFIX .. oldest[i])
    if left == -2 then
      redis.call('ZREM', INDEX, oldest[i])
    else
      if left == -1 then left = TTL end
      redis.call('ZADD', INDEX, whole(math.min(at, at + left - TTL)), oldest[i])
    end
  end
end

local function keep_alive()
  redis.call('PEXPIRE', TEXT, TTL)
  redis.call('PEXPIRE', ABOUT, TTL)
  redis.call('ZADD', INDEX, whole(now()), ID)
end

-- Versions grow past those of an earlier conversation with this id, because a new one starts at the time.
local function written(fields)
  local before = tonumber(redis.call('HGET', ABOUT, 'version') or '0')
  local version = before > 0 and before + 1 or now()
  redis.call('HSET', ABOUT, 'version', whole(version), 'bytes', redis.call('STRLEN', TEXT), unpack(fields))
  keep_alive()
  redis.call('PUBLISH', CHANNEL, cjson.encode({id = ID}):sub(1, -2) .. ',"version":' .. whole(version) .. '}')
  trim(2)
  return stamp()
end
