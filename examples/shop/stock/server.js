// The stock: how many tins of each tea are on the shelf, kept in MySQL.

import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import mysql from 'mysql2/promise'

const { MYSQL_URL, PORT = 8000 } = process.env
const database = mysql.createPool(MYSQL_URL)

async function onHand() {
  const [rows] = await database.query('SELECT sku, on_hand FROM stock')
  return [200, Object.fromEntries(rows.map((row) => [row.sku, row.on_hand]))]
}

async function reserve(sku, quantity) {
  if (!Number.isInteger(quantity) || quantity < 1) return [422, { detail: 'quantity must be a whole number, 1 or more' }]
  // The condition is part of the update, so two buyers never get the same tin.
  const [update] = await database.execute(
    'UPDATE stock SET on_hand = on_hand - ? WHERE sku = ? AND on_hand >= ?',
    [quantity, sku, quantity],
  )
  if (update.affectedRows) return [200, { sku, quantity }]
  return [409, { detail: `there is not enough ${sku} in stock` }]
}

async function health() {
  await database.query('SELECT 1')
  return [200, { ok: true }]
}

async function route({ method, url }, body) {
  if (method === 'GET' && url === '/stock') return onHand()
  if (method === 'GET' && url === '/healthz') return health()
  const [, sku] = url.match(/^\/stock\/([\w-]+)\/reserve$/) ?? []
  if (method === 'POST' && sku) return reserve(sku, (await body()).quantity)
  return [404, { detail: `there is no ${method} ${url}` }]
}

const server = createServer(async (request, response) => {
  const [status, body] = await route(request, () => json(request)).catch((error) => [500, { detail: error.message }])
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  if (request.url !== '/healthz' || status !== 200) console.log(request.method, request.url, status, ...(body.detail ? [body.detail] : []))
})

process.on('SIGTERM', () => {
  server.close(() => process.exit())
  server.closeIdleConnections()
})

server.listen(PORT, () => console.log(`stock listens on ${PORT}`))
