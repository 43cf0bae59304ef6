// What the page looks like: values in, HTML out.

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (value) => String(value).replace(/[&<>"']/g, (character) => escapes[character])
const euros = (cents) => `€${(cents / 100).toFixed(2)}`
const away = (service) => `<p class="away">The ${service} is away for a moment.</p>`

export const render = ({ products, stock, orders, notice }) => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>Leaf &amp; Kettle</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/page.css">
  <script type="module" src="/live.js"></script>
</head>
<body>
  <header>
    <h1>Leaf <i>&amp;</i> Kettle</h1>
    <p>Loose tea, in tins of 100 g.</p>
  </header>
  <main>
    ${notice ? `<p class="notice" role="status">${escape(notice)}</p>` : ''}
    <section class="shelf">${products?.map((product) => card(product, stock?.[product.sku])).join('') ?? away('catalogue')}</section>
    <section class="orders">
      <h2>Orders</h2>
      ${orders ? table(orders) : away('order book')}
    </section>
    <footer>
      ${light('catalogue', 'MongoDB', products)}
      ${light('stock', 'MySQL', stock)}
      ${light('orders', 'PostgreSQL', orders)}
    </footer>
  </main>
</body>
</html>
`

const card = ({ sku, name, origin, price, colour, notes }, left) => `
  <article>
    ${cup(escape(colour))}
    <h2>${escape(name)}</h2>
    <p class="origin">${escape(origin)}</p>
    <p>${escape(notes)}</p>
    <form method="post" action="/buy">
      <strong>${euros(price)}</strong>
      <span class="left ${left < 10 ? 'few' : ''}">${shelf(left)}</span>
      <input type="hidden" name="sku" value="${escape(sku)}">
      <input type="hidden" name="quantity" value="1">
      <button ${left > 0 ? '' : 'disabled'} aria-label="Buy ${escape(name)}">Buy</button>
    </form>
  </article>`

const shelf = (left) => {
  if (left === undefined) return 'stock unknown'
  if (left === 0) return 'sold out'
  return left === 1 ? 'the last tin' : `${left} tins`
}

const cup = (colour) => `
  <svg viewBox="0 0 160 104" aria-hidden="true">
    <g class="steam"><path d="M64 30q-7-8 0-15t0-13"/><path d="M82 30q-7-8 0-15t0-13"/></g>
    <ellipse class="saucer" cx="74" cy="94" rx="60" ry="8"/>
    <path class="handle" d="M116 48c28-6 28 28-6 28"/>
    <path class="china" d="M26 42h96c0 30-18 50-34 50h-28c-16 0-34-20-34-50z"/>
    <ellipse class="rim" cx="74" cy="42" rx="48" ry="8"/>
    <ellipse cx="74" cy="43" rx="42" ry="5.5" fill="${colour}"/>
  </svg>`

const table = (orders) => (orders.length === 0 ? '<p class="away">None yet. The kettle is on.</p>' : `
  <table>
    <thead><tr><th>No.<th>Tea<th>Tins<th>Sum<th>State<th>Invoice</thead>
    <tbody>${orders.map(row).join('')}</tbody>
  </table>`)

const row = ({ id, name, quantity, total, state }) => `
  <tr>
    <td>${id}<td>${escape(name)}<td>${quantity}<td>${euros(total)}
    <td><span class="state ${escape(state)}">${escape(state)}</span>
    <td>${state === 'invoiced' ? `<a href="/invoices/${id}">open</a>` : 'being written'}`

const light = (service, store, answer) => `<span class="light ${answer ? 'on' : ''}">${service} <small>${store}</small></span>`
