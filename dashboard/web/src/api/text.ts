import { dictionary, texts } from '../i18n/i18n'
import { CallError } from './client'

const text = dictionary({
  unreachable: [
    'The broker can’t be reached. It is asked again and again.',
    '无法连接到服务器，正在不断重试。',
  ],
  strange: (status: number) => [
    `The broker’s answer could not be understood (status ${status}). Is a proxy in between?`,
    `无法理解服务器的应答（状态 ${status}），中间是否有代理？`,
  ],
  login: ['Log in first.', '请先登录。'],
  forbidden: ['Your role doesn’t allow this: an administrator can do it.', '您的角色没有此权限，请联系管理员。'],
  absent: ['This version of the broker doesn’t have that.', '此版本的服务器不支持该功能。'],
  wait: (s: number) => [
    `Too many attempts: wait ${s} ${s === 1 ? 'second' : 'seconds'}, then try again.`,
    `尝试次数过多，请等待 ${s} 秒后再试。`,
  ],
  broken: ['The broker made a mistake. Its log says which.', '服务器内部错误，详情见日志。'],
  wrongLogin: ['User name or password is wrong.', '用户名或密码错误。'],
  notThere: ['It isn’t there any more.', '它已不存在。'],
  exists: ['There is one of this name already.', '同名项已存在。'],
  badTopic: ['That is no topic that can be used here.', '此处不能使用该主题。'],
})

/** What EMQ X says in a word. */
const words: Record<string, 'notThere' | 'exists' | 'badTopic' | 'wrongLogin'> = {
  not_found: 'notThere',
  channel_not_found: 'notThere',
  existed: 'exists',
  exitsted: 'exists', // so in EMQ X
  already_existed: 'exists',
  'Username Already Exist': 'exists',
  bad_topic: 'badTopic',
  invalid_topic_name: 'badTopic',
  'Username/Password error': 'wrongLogin',
}

/** One clear sentence about what went wrong with a call. */
export function explain(error: unknown): string {
  const t = texts(text)
  if (!(error instanceof CallError)) return error instanceof Error ? error.message : String(error)
  const known = words[error.message]
  if (known) return t[known]
  switch (error.status) {
    case 0:
      return t.unreachable
    case 401:
      return t.login
    case 403:
      return error.message || t.forbidden
    case 404:
      return t.absent
    case 429:
      return t.wait(error.wait ?? 60)
    case 500:
      return t.broken
  }
  return error.message || t.strange(error.status)
}
