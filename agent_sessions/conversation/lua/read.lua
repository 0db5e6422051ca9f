-- ARGV from 5: the stamp the reader has, and 1 when reading keeps the conversation alive.
if redis.call('EXISTS', TEXT) == 0 then return {'missing'} end
if ARGV[6] == '1' then keep_alive() end
local current = stamp()
if ARGV[5] == current then return {'same'} end
return {'text', current, redis.call('GET', TEXT)}
