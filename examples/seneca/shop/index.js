// Answers over HTTP with what two services say; `prices` and `taxes` are their names in devenv.yaml.
const { createServer } = require('node:http')
const Seneca = require('seneca')

const seneca = Seneca({ log: 'warn' })
for (const name of ['prices', 'taxes']) seneca.client({ type: 'tcp', host: name, port: 10101, pin: `role:${name}` })

const ask = (pattern, message) =>
  new Promise((resolve, reject) =>
    seneca.act(pattern, message, (error, answer) => (error ? reject(error) : resolve(answer))),
  )

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://shop')
  if (pathname === '/healthz') return response.end('ok')
  try {
    const net = Number(searchParams.get('net') ?? 100)
    const { price } = await ask('role:prices,cmd:price', { net })
    const { total } = await ask('role:taxes,cmd:total', { price })
    response.end(JSON.stringify({ net, price: Math.round(price), total: Math.round(total) }))
  } catch (error) {
    response.writeHead(502).end(error.message)
  }
}).listen(8000)
