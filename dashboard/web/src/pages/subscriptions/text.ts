import { dictionary } from '../../i18n/i18n'

export const text = dictionary({
  title: ['Subscriptions', '订阅'],
  lead: ['Who gets what: filters as they are in force, with mountpoint.', '谁接收哪些消息：实际生效的主题过滤器（含挂载点）。'],
  topic: ['This filter exactly', '完全匹配的过滤器'],
  match: ['Filters within, such as site/#', '包含于（如 site/#）的过滤器'],
  clientid: ['Client id', '客户端 ID'],
  share: ['Shared group', '共享组'],
  anyQoS: ['Any QoS', '全部 QoS'],
  filter: ['Topic filter', '主题过滤器'],
  qos: ['QoS', 'QoS'],
  node: ['Node', '节点'],
  remove: ['Unsubscribe', '取消订阅'],
  removeTitle: (id: string) => [`Unsubscribe for ${id}?`, `为 ${id} 取消订阅？`],
  removeText: (topic: string) => [`It gets no more messages by ${topic}. The client isn’t told.`, `它将不再收到 ${topic} 的消息，且不会通知该客户端。`],
  removed: ['Unsubscribed.', '已取消订阅。'],
  none: ['No subscription fits.', '没有符合条件的订阅。'],
})
