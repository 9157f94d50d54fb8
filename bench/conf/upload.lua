-- The upload of wrk: the same bytes as bodyOf(65536) of lib/bodies.mjs.
wrk.method = "POST"
wrk.body = string.rep("millrace ", 7282):sub(1, 65536)
