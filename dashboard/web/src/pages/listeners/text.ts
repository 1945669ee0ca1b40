import { dictionary } from '../../i18n/i18n'

export const text = dictionary({
  title: ['Listeners', '监听器'],
  lead: ['Where clients connect, and why their connections have ended.', '客户端接入地址，以及连接断开的原因。'],
  protocol: ['Protocol', '协议'],
  address: ['Address', '地址'],
  identifier: ['Name', '名称'],
  connections: ['Connections', '连接'],
  ended: ['Connections that have ended', '已断开的连接'],
  reason: ['Reason', '原因'],
  count: ['How many', '数量'],
  share: ['Share', '占比'],
  noneEnded: ['No connection has ended since the start.', '启动以来没有断开的连接。'],
  restart: ['Restart', '重启'],
  restartTitle: (name: string) => [`Restart ${name}?`, `重启 ${name}？`],
  restartText: ['Its connections end; clients connect again. Certificates are read again.', '其连接将断开，客户端会重新连接，证书会重新读取。'],
  restarted: ['Restarted.', '已重启。'],
  node: ['Node', '节点'],
})
