// The overview shows what real clients do, in both languages and colours and on
// a phone.
import assert from 'node:assert/strict'
import { scenario } from './harness.mjs'

const settings = { 'os_mon.sysmem_high_watermark': '0%', 'os_mon.mem_check_interval': '1s' }

await scenario({ settings }, async ({ page, login, client, until, see, shot }) => {
  const subscriber = await client('subscriber')
  await subscriber.subscribeAsync('e2e/#', { qos: 1 })
  const publisher = await client('publisher')
  const traffic = setInterval(() => publisher.publish('e2e/1', 'on', { qos: 1 }), 50)
  try {
    await login()
    const tile = (name) => page.locator('.stat', { has: page.getByText(name, { exact: true }) }).locator('.stat-value')
    await until('two clients are connected', async () => (await tile('Connections').innerText()) === '2')
    await until('messages come in', async () => Number.parseInt(await tile('Received').innerText(), 10) > 0)
    await until('messages go out', async () => Number.parseInt(await tile('Sent').innerText(), 10) > 0)
    await see('System memory usage is higher than 0%')
    await see('Running')
    // Two samples of the history make a line.
    await page.locator('.chart canvas').first().waitFor({ timeout: 60_000 })
    await shot('light')

    await page.getByRole('button', { name: 'Dark' }).click()
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('heading', { name: '概览', level: 1 }).waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN')
    await shot('dark-zh')
    await page.reload()
    await page.getByRole('heading', { name: '概览', level: 1 }).waitFor() // both are remembered
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')

    await page.setViewportSize({ width: 390, height: 844 })
    await until('the page is as narrow as a phone', () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth))
    await page.getByRole('button', { name: '更多' }).click()
    await page.getByRole('dialog').getByRole('link', { name: '节点' }).waitFor()
    await shot('phone-zh')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  } finally {
    clearInterval(traffic)
  }
})
