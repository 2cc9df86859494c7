/**
 * One line of JSON for each request, written when it has ended: short names, as there is one for every request of every site.
 * `e` the end in ms since 1970; `w` request head, waiting, connecting, first byte, in ms (-1: did not come to it); `a` all of it.
 * The path has no query: secrets travel there.
 */
export const logFormat =
  '{"e":%[date(0,ms)],"r":"%b","s":"%s","m":"%[var(txn.method),json(utf8s)]","h":"%[var(txn.host),json(utf8s)]",' +
  '"p":"%[var(txn.path),json(utf8s)]","c":%ST,"i":%U,"o":%B,"w":[%TR,%Tw,%Tc,%Tr],"a":%Ta,"v":"%HV","l":"%sslv","t":"%ts",' +
  '"u":"%[var(txn.agent),json(utf8s)]","k":"%[var(txn.client)]","id":"%[unique-id]"}';
