import { dictionary } from '../../i18n/i18n'

export const text = dictionary({
  title: ['Retained messages', '保留消息'],
  lead: ['The last message of each topic that was published with the retain flag; who subscribes gets it.', '每个主题最近一条带保留标志的消息，订阅者会立即收到。'],
  like: ['Topic contains…', '主题包含…'],
  match: ['Filter, such as site/+/state', '过滤器，如 site/+/state'],
  topic: ['Topic', '主题'],
  qos: ['QoS', 'QoS'],
  size: ['Size', '大小'],
  at: ['Published', '发布时间'],
  expires: ['Expires', '过期时间'],
  never: ['never', '永不'],
  show: ['Show', '查看'],
  remove: ['Delete', '删除'],
  removeTitle: ['Delete this retained message?', '删除此保留消息？'],
  removeText: (topic: string) => [`New subscribers of ${topic} get no message until one is published there again.`, `在再次发布之前，${topic} 的新订阅者不会收到消息。`],
  removed: ['Deleted.', '已删除。'],
  none: ['No retained message fits.', '没有符合条件的保留消息。'],
  payload: ['Payload', '消息内容'],
  properties: ['Properties', '属性'],
})
