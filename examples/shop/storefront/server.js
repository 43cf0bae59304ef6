// The storefront: one page, put together from what three services say.

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { render } from './page.js'

const { CATALOGUE_URL, ORDERS_URL, STOCK_URL, PORT = 3000 } = process.env

const files = { '/page.css': 'text/css', '/live.js': 'text/javascript' }

/** What a service answers, or null while it is away: the page then shows the rest. */
async function ask(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(3000) })
    return answer.ok ? await answer.json() : null
  } catch {
    return null
  }
}

async function page(notice) {
  const [products, stock, orders] = await Promise.all([
    ask(`${CATALOGUE_URL}/api/catalogue`),
    ask(`${STOCK_URL}/stock`),
    ask(`${ORDERS_URL}/api/orders`),
  ])
  return { type: 'text/html', body: render({ products, stock, orders, notice }) }
}

async function buy(form) {
  const notice = await order(form.get('sku'), Number(form.get('quantity')))
  return { status: 303, headers: { location: `/?notice=${encodeURIComponent(notice)}` } }
}

/** Places an order and says, in words for the page, what became of it. */
async function order(sku, quantity) {
  try {
    const answer = await fetch(`${ORDERS_URL}/api/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sku, quantity }),
    })
    const { id, detail } = await answer.json()
    return answer.ok ? `Thank you! Your order has number ${id}.` : `Sorry, ${detail}.`
  } catch {
    return 'Sorry, the order book is away. Please try again in a moment.'
  }
}

async function invoice(id) {
  const answer = await fetch(`${ORDERS_URL}/api/orders/${id}/invoice`)
  return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() }
}

async function route(request) {
  const { pathname, searchParams } = new URL(request.url, 'http://storefront')
  const [, id] = pathname.match(/^\/invoices\/(\d+)$/) ?? []
  if (request.method === 'POST' && pathname === '/buy') return buy(new URLSearchParams(await text(request)))
  if (request.method !== 'GET') return { status: 405, body: 'GET a page, or POST /buy\n' }
  if (pathname === '/') return page(searchParams.get('notice'))
  if (pathname === '/healthz') return { body: 'ok\n' }
  if (id) return invoice(id)
  if (files[pathname]) return { type: files[pathname], body: await readFile(`public${pathname}`) }
  return { status: 404, body: `there is no ${pathname}\n` }
}

const server = createServer(async (request, response) => {
  const { status = 200, type = 'text/plain', headers, body } = await route(request).catch((error) => {
    console.error(error)
    return { status: 502, body: `A service behind this page does not answer: ${error.message}\n` }
  })
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, ...headers }).end(body)
  if (request.url !== '/healthz') console.log(request.method, request.url, status)
})

process.on('SIGTERM', () => {
  server.close(() => process.exit())
  server.closeIdleConnections()
})

server.listen(PORT, () => console.log(`the shop is open on ${PORT}`))
