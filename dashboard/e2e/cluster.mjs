// Two nodes that are one broker: both are seen at either, a client of the other
// one is kicked, a login holds behind a load balancer, and an alarm tells that a
// node has gone.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { scenario } from './harness.mjs'

const cookie = randomBytes(16).toString('hex')
const [x, y] = randomBytes(2)
/** Nodes reach each other at the usual ports, of loopback addresses that nobody else has. */
const name = (n) => `dunlin@127.${x}.${y}.${n}`
const settings = (n) => ({ 'node.name': name(n), 'node.cookie': cookie })

await scenario({ settings: settings(1) }, async ({ page, broker, start, balance, login, open, client, api, until, see, shot }) => {
  const other = await start(settings(2))
  const joined = await api('PUT', '/cluster/join', { node: name(1) }, other)
  assert.equal(joined.code, 0, JSON.stringify(joined))
  const here = await client('lamp-here')
  await here.subscribeAsync('hall/here', { qos: 1 })
  const there = await client('lamp-there', {}, other)
  await there.subscribeAsync('hall/there', { qos: 1 })

  await login()
  await open('Nodes')
  for (const n of [1, 2]) await page.getByRole('main').getByRole('link', { name: name(n), exact: true }).waitFor()
  await shot('nodes')
  await open('Clients')
  for (const [id, n] of [['lamp-here', 1], ['lamp-there', 2]]) {
    const row = page.getByRole('row', { name: new RegExp(`${id}\\b`) })
    await until(`${id} is listed with its node`, async () => (await row.count()) === 1 && (await row.innerText()).includes(name(n)))
  }
  await open('Subscriptions')
  for (const filter of ['hall/here', 'hall/there']) await page.getByRole('cell', { name: filter, exact: true }).waitFor()

  await open('Clients')
  await page.getByRole('link', { name: 'lamp-there' }).click()
  await page.getByRole('heading', { name: 'lamp-there', level: 1 }).waitFor()
  await page.getByRole('button', { name: 'Kick' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Kick' }).click()
  await page.getByRole('heading', { name: 'Clients', level: 1 }).waitFor()
  await until('its connection has ended', () => !there.connected)

  const balanced = await balance([broker.url, other.url])
  await page.goto(balanced.url)
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
  for (const p of ['Nodes', 'Clients', 'Sessions', 'Alarms']) await open(p)
  await until('both nodes have answered', () => Math.min(...balanced.counts) > 5)
  await shot('balanced')

  await page.goto(broker.url)
  await other.kill()
  await open('Alarms')
  await page.getByRole('cell', { name: `node/${name(2)}/down`, exact: true }).waitFor()
  await shot('alarm')
  await open('Nodes')
  const row = page.getByRole('row', { name: new RegExp(name(2)) })
  await until('the node is shown as stopped', async () => /stopped/i.test(await row.innerText()))
  await open('Clients')
  await see('lamp-here')
})
