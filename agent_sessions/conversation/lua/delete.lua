local existed = redis.call('DEL', TEXT)
redis.call('DEL', ABOUT)
redis.call('ZREM', INDEX, ID)
if existed == 1 then redis.call('PUBLISH', CHANNEL, cjson.encode({id = ID}):sub(1, -2) .. ',"version":0}') end
return {'ok', existed}
