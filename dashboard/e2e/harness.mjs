// What scenarios are made of: a broker and a Chromium of their own, and MQTT
// clients. The Go test InBrowser sets the environment and runs each file:
//   DUNLIN_PROGRAM  the broker
//   DUNLIN_MODULES  a package.json whose node_modules have playwright-core and mqtt
//   DUNLIN_SHOTS    a folder for screenshots
//   CHROMIUM        the browser
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const { DUNLIN_PROGRAM, DUNLIN_MODULES, DUNLIN_SHOTS, CHROMIUM } = process.env
const require = createRequire(DUNLIN_MODULES)
const { chromium } = require('playwright-core')
const mqtt = require('mqtt')

/** How long anything may take: far more than it does, as the machine may be busy. */
const patience = 60_000
const password = 'a-password-of-tests'
const noise = /Failed to load resource: the server responded with a status of 401/ // who am I, before the login

const endings = []
/** Has done called when the scenario has ended, the last one first. */
const atEnd = (done) => endings.unshift(done)

/**
 * Runs a scenario: what it throws, and what goes wrong in the browser's console, fails the test.
 * settings are the broker's; with firstLogin it makes up a password, as at a first start.
 */
export async function scenario({ settings = {}, firstLogin = false }, act) {
  let page
  try {
    const broker = await startBroker(settings, firstLogin)
    const problems = []
    page = await openBrowser(broker.url, problems)
    await act(tools(page, broker))
    assert.deepEqual(problems, [], 'what the browser complained of')
  } catch (e) {
    console.error(e)
    await page?.screenshot({ path: shotPath('failed'), fullPage: true }).catch(() => {})
    process.exitCode = 1
  }
  await end()
}

async function end() {
  while (endings.length > 0) {
    await Promise.resolve(endings.shift()()).catch((e) => {
      console.error(e)
      process.exitCode = 1
    })
  }
}
process.on('SIGINT', () => void end().then(() => process.exit(1)))

async function startBroker(settings, firstLogin) {
  const dir = mkdtempSync(join(tmpdir(), 'dunlin-e2e-'))
  atEnd(() => rmSync(dir, { recursive: true, force: true }))
  const all = {
    'node.data_dir': dir,
    'listener.tcp.external': '127.0.0.1:0',
    'listener.ws.external': '127.0.0.1:0',
    'management.listener.http': 'off',
    'dashboard.listener.http': '127.0.0.1:0',
    ...(firstLogin ? {} : { 'dashboard.default_user.password': password }),
    ...settings,
  }
  const env = { PATH: process.env.PATH }
  for (const [key, value] of Object.entries(all)) env[`DUNLIN_${key.toUpperCase().replaceAll('.', '__')}`] = value
  const child = spawn(DUNLIN_PROGRAM, { env, cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  const gone = new Promise((done) => child.once('exit', done))
  atEnd(async () => {
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), patience)
    await gone
    clearTimeout(late)
  })

  let output = ''
  await new Promise((done, failed) => {
    const read = (text) => {
      output += text
      if (/is running now!/.test(output)) done()
    }
    child.stdout.setEncoding('utf8').on('data', read)
    child.stderr.setEncoding('utf8').on('data', read)
    void gone.then(() => failed(new Error(`the broker ended:\n${output}`)))
  })
  const address = (kind) => new RegExp(`^ {2}${kind} +(127\\.0\\.0\\.1:\\d+)`, 'm').exec(output)?.[1]
  const first = firstLogin ? / user (\S+), password (\S+)/.exec(output) : null
  return {
    kill: () => {
      child.kill('SIGKILL')
      return gone
    },
    url: `http://${address('http +dashboard')}`,
    tcp: `mqtt://${address('tcp +external')}`,
    ws: `ws://${address('ws +external')}/mqtt`,
    management: `http://${address('http +management')}`, // unless it is off, as it is without a setting
    user: first?.[1] ?? 'admin',
    password: first?.[2] ?? password,
    output: () => output,
  }
}

/** Starts a proxy that sends each request to another one of the urls in turn. */
async function balance(urls) {
  const counts = urls.map(() => 0)
  let turn = 0
  const server = createServer((from, answer) => {
    const i = turn++ % urls.length
    const { hostname, port } = new URL(urls[i])
    const to = request({ hostname, port, method: from.method, path: from.url, headers: from.headers }, (got) => {
      if (got.statusCode < 400) counts[i]++
      answer.writeHead(got.statusCode, got.headers)
      got.pipe(answer)
    })
    to.on('error', () => answer.destroy())
    from.pipe(to)
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${server.address().port}`, counts }
}

async function openBrowser(url, problems) {
  const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  if (process.getuid?.() === 0) args.push('--no-sandbox') // Chromium has none for root
  const browser = await chromium.launch({ executablePath: CHROMIUM, args })
  atEnd(() => browser.close())
  const context = await browser.newContext({ baseURL: url, locale: 'en-US', viewport: { width: 1360, height: 900 }, colorScheme: 'light' })
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  page.on('pageerror', (e) => problems.push(String(e)))
  page.on('console', (m) => m.type() === 'error' && !noise.test(m.text()) && problems.push(m.text()))
  return page
}

const shotPath = (name) => join(DUNLIN_SHOTS, `${basename(process.argv[1], '.mjs')}-${name}.png`)

/** What a scenario works with. */
function tools(page, broker) {
  return {
    page,
    broker,
    balance,

    /** Starts another broker; it ends with the scenario. */
    start: (settings) => startBroker(settings, false),

    /** Logs in, as the administrator unless said otherwise, and waits for the overview. */
    async login(user = broker.user, secret = broker.password) {
      await page.goto('/')
      await page.getByLabel('User name').fill(user)
      await page.getByLabel('Password', { exact: true }).fill(secret)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
    },

    /** Follows a link of the navigation and waits for its page. */
    async open(name, heading = name) {
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click()
      await page.getByRole('heading', { name: heading, level: 1 }).waitFor()
    },

    /** Connects a real client; it is closed at the end. */
    async client(clientId, options = {}, at = broker) {
      const c = await mqtt.connectAsync(at.tcp, { clientId, protocolVersion: 5, reconnectPeriod: 0, connectTimeout: patience, ...options })
      atEnd(() => c.endAsync(true))
      return c
    },

    /** Calls the REST API as the administrator, to prepare and to check. */
    async api(method, route, body, at = broker) {
      const login = Buffer.from(`${at.user}:${at.password}`).toString('base64')
      const response = await fetch(`${at.url}/api/v4${route}`, {
        method,
        headers: { Authorization: `Basic ${login}` },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return response.json()
    },

    /** Waits until check returns something true, and returns it. */
    async until(what, check) {
      for (const from = Date.now(); Date.now() - from < patience; ) {
        const got = await check()
        if (got) return got
        await new Promise((next) => setTimeout(next, 100))
      }
      return assert.fail(`it didn't come to pass that ${what}`)
    },

    /** Waits for a text on the page. */
    see: (text) => page.getByText(text).first().waitFor(),

    /** Keeps a picture of the page. */
    shot: (name) => page.screenshot({ path: shotPath(name), fullPage: true }),
  }
}
