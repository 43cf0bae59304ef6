const Seneca = require('seneca')

const TAX = 20

Seneca({ log: 'warn' })
  .add('role:taxes,cmd:total', ({ price }, reply) => reply(null, { total: price * (1 + TAX / 100) }))
  .listen({ type: 'tcp', host: '0.0.0.0', port: 10101, pin: 'role:taxes' })
