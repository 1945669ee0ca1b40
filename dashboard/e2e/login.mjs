// The first login, by the keyboard alone: the password that the broker made up
// has to be changed, then the login lasts over a reload, until the logout.
import assert from 'node:assert/strict'
import { scenario } from './harness.mjs'

const fresh = 'a password of my own'

await scenario({ firstLogin: true }, async ({ page, broker, see, shot }) => {
  await page.goto('/clients') // whoever follows a link logs in first
  await page.getByLabel('User name').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.name), 'username')
  await shot('form')
  await page.keyboard.type(broker.user)
  await page.keyboard.press('Tab')
  await page.keyboard.type('wrong')
  await page.keyboard.press('Enter')
  await see('User name or password is wrong.')

  await page.getByLabel('Password', { exact: true }).fill(broker.password)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Choose a password' }).waitFor()
  await page.getByLabel('Current password').fill(broker.password)
  await page.getByLabel('New password', { exact: true }).fill(fresh)
  await page.getByLabel('New password again').fill('another')
  await page.getByRole('button', { name: 'Save' }).click()
  await see('The two new passwords differ.')
  await shot('change')
  await page.getByLabel('New password again').fill(fresh)
  await page.getByRole('button', { name: 'Save' }).click()

  await page.getByRole('heading', { name: 'Clients', level: 1 }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Clients', level: 1 }).waitFor()
  assert.equal(await page.evaluate(() => document.cookie), '', 'scripts can read the cookie')

  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('User name').waitFor()
  const old = await page.request.post('/api/v4/auth', { data: { username: broker.user, password: broker.password } })
  assert.deepEqual(await old.json(), { message: 'Username/Password error' })
})
