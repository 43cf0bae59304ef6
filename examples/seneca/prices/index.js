const Seneca = require('seneca')

const MARGIN = 10

Seneca({ log: 'warn' })
  .add('role:prices,cmd:price', ({ net }, reply) => reply(null, { price: net * (1 + MARGIN / 100) }))
  .listen({ type: 'tcp', host: '0.0.0.0', port: 10101, pin: 'role:prices' })
