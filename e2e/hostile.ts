/**
 * A program that tries everything that an app may not do, and tells how each attempt ended: `name<TAB>done`, or the name of the error. In
 * Perl, as each Debian has it, and as it can make any call of the kernel by its number.
 */

/** Numbers of calls, of the kernel's own tables (arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h). */
const numbers: Record<string, Record<string, number>> = {
  x64: {
    getpid: 39,
    mount: 165,
    unshare: 272,
    setns: 308,
    pivot_root: 155,
    keyctl: 250,
    add_key: 248,
    bpf: 321,
    perf_event_open: 298,
    init_module: 175,
    kexec_load: 246,
    open_by_handle_at: 304,
    clock_settime: 227,
    swapon: 167,
    userfaultfd: 323,
    setxattr: 188,
  },
  arm64: {
    getpid: 172,
    mount: 40,
    unshare: 97,
    setns: 268,
    pivot_root: 41,
    keyctl: 219,
    add_key: 217,
    bpf: 280,
    perf_event_open: 241,
    init_module: 105,
    kexec_load: 104,
    open_by_handle_at: 265,
    clock_settime: 112,
    swapon: 224,
    userfaultfd: 282,
    setxattr: 5,
  },
};

/** Arguments would be wrong for most: who gets past the filter is told so (EINVAL), and nothing happens to this machine. */
const calls: Record<string, string> = {
  mount: '"none", "/mnt", "tmpfs", 0, 0',
  // A user namespace of one's own is the way to all capabilities in it; 0x20000: of mounts, 0x40000000: of networks.
  unshare: "0x10000000",
  "unshare mounts": "0x20000",
  "unshare networks": "0x40000000",
  setns: "0, 0",
  pivot_root: '"/mnt", "/mnt"',
  keyctl: "0, -3, 0",
  add_key: '"user", "hostile", "x", 1, -3',
  bpf: "0, 0, 0",
  perf_event_open: "0, 0, -1, -1, 0",
  init_module: "0, 0, 0",
  kexec_load: "0, 0, 0, 0",
  open_by_handle_at: "-1, 0, 0",
  clock_settime: "99, 0",
  swapon: '"/nothing", 0',
  userfaultfd: "0",
};

/** `disk`: major and minor number of the one that this machine runs from. */
export const hostileProgram = (disk: { major: number; minor: number }): string => {
  const number = (call: string) => numbers[process.arch]?.[call] ?? -1;
  const attempts = Object.entries(calls).map(([name, words]) => {
    const call = number(name.split(" ")[0] as string);
    return `attempt("${name}", sub { kernel(${[call, words].join(", ")}) >= 0 });`;
  });
  return `use strict; use warnings; use Errno; use Socket qw(:all); use IO::Socket::INET;
$| = 1;
sub reason { my ($one) = grep { $!{$_} } keys %!; return $one // "no error" }
# Texts have to be its own: the kernel might write into them.
sub kernel { my ($number, @words) = @_; return syscall($number, @words) }
sub told { print join("\\t", @_), "\\n" }
sub attempt {
  my ($name, $work) = @_;
  $! = 0;
  told($name, $work->() ? "done" : reason());
}
sub read_some { open(my $file, "<", $_[0]) or return 0; return (sysread($file, my $bytes, 16) // 0) > 0 }
sub reach {
  my ($address, $port) = @_;
  my $six = $address =~ /:/;
  socket(my $socket, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or return 0;
  my ($card) = $six ? read_line("/sys/class/net/eth0/ifindex") : 0;
  my $host = $six ? inet_pton(AF_INET6, $address) : inet_aton($address);
  return 0 unless defined $host;
  local $SIG{ALRM} = sub {};
  alarm 3;
  my $done = connect($socket, $six ? pack_sockaddr_in6($port, $host, $card) : pack_sockaddr_in($port, $host));
  $! = Errno::ETIMEDOUT if !$done && $!{EINTR};
  return $done;
}
sub read_line { open(my $file, "<", $_[0]) or return 0; my $line = <$file>; chomp $line; return $line }

my $mode = shift @ARGV;
# After what a shell says before it.
print "\\n";
if ($mode eq "kernel") {
  told("calls are made", kernel(${number("getpid")}) == $$ ? "done" : "not");
  ${attempts.join("\n  ")}
  attempt("raw socket", sub { socket(my $s, AF_INET, SOCK_RAW, 1) });
  attempt("packets of the bridge", sub { socket(my $s, 17, SOCK_RAW, 768) });
  attempt("socket to the machine below", sub { socket(my $s, 40, SOCK_STREAM, 0) });
  for my $file ("/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/overcommit_memory",
                "/proc/sysrq-trigger", "/proc/1/oom_score_adj_none", "/sys/kernel/mm/transparent_hugepage/enabled",
                glob("/sys/fs/cgroup/{,*/}{pids,memory}.{max,limit_in_bytes}"), glob("/sys/fs/cgroup/{,*/}cgroup.procs"),
                "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/devices/devices.allow") {
    attempt("write $file", sub { open(my $f, "+<", $file) });
  }
  for my $file ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda") {
    attempt("read $file", sub { read_some($file) });
  }
  attempt("the machine's disk", sub { system("mknod /tmp/disk b ${disk.major} ${disk.minor} 2>/dev/null"); read_some("/tmp/disk") });
  # system() leaves no error behind.
  told("an address of a neighbour", system("ip addr add 10.0.0.9/32 dev lo 2>/dev/null") == 0 ? "done" : "refused");
  told("another hardware address", system("ip link set lo mtu 1400 2>/dev/null") == 0 ? "done" : "refused");
  told("sockets of others", join(" ", sort map { chomp; $_ } qx(find / -xdev -type s 2>/dev/null; find /run /var/run /tmp /dev -type s 2>/dev/null)) || "none");
  my @unix = grep { /docker|PGSQL|haproxy|khmara|worker\\.sock/ } qx(cat /proc/net/unix);
  told("sockets of this network", @unix ? "@unix" : "none");
  my @others = map { my $line = do { local (@ARGV, $/) = ($_); my $l = <>; $l // "" }; $line =~ tr/\\0/ /; $line } grep { -r } glob("/proc/[0-9]*/cmdline");
  told("processes of others", join(" ", grep { /dockerd|containerd|postgres|haproxy|control\\.ts|supervisor/ } @others) || "none");
} elsif ($mode eq "user") {
  told("setuid", scalar(qx(/opt/setuid-id -u)) =~ /^0$/ ? "done" : "refused");
  told("file capability", system("/opt/raw-perl", "-MSocket", "-e", 'socket(my $s, AF_INET, SOCK_RAW, 1) or exit 1') == 0 ? "done" : "refused");
} elsif ($mode eq "grant") {
  # CAP_NET_RAW (13), permitted and effective: linux/capability.h, vfs_cap_data of revision 2.
  my $value = pack("V5", 0x02000001, 1 << 13, 0, 0, 0);
  attempt("grant", sub { kernel(${number("setxattr")}, "/opt/raw-perl", "security.capability", $value, length($value), 0) == 0 });
} elsif ($mode eq "network") {
  for (@ARGV) {
    my ($name, $address, $port) = split /,/;
    next if fork;
    attempt($name, sub { $port == 0 ? defined inet_aton($address) : reach($address, $port) });
    exit;
  }
  1 while wait != -1;
} elsif ($mode eq "forks") {
  for my $count (1 .. 100_000) {
    my $child = fork;
    if (!defined $child) { told("processes", $count, reason()); exit }
    if ($child == 0) { sleep 120; exit }
  }
} elsif ($mode eq "memory") {
  my @held; push @held, "x" x (8 << 20) while @held < 100_000;
  told("memory", "done");
} elsif ($mode eq "shared memory") {
  open(my $file, ">", "/dev/shm/fill"); my ($sum, $block) = (0, "x" x (1 << 20));
  while ($sum < 4096) { last unless defined syswrite($file, $block); $sum++ }
  told("shared memory", $sum < 4096 ? reason() : "done");
} elsif ($mode eq "serve") {
  $SIG{TERM} = sub { exit };
  my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die $!;
  while (my $client = $server->accept) {
    while (defined(my $line = <$client>)) { last if $line =~ /^\\s*$/ }
    print $client "HTTP/1.1 200 OK\\r\\nContent-Length: 7\\r\\nConnection: close\\r\\n\\r\\nhostile"; close $client;
  }
}
`;
};

/** `root`: who runs it in its image. */
export const hostileDockerfile = (targets: string): string => `FROM base.khmara.internal/static:12
USER root
COPY hostile.pl /opt/hostile.pl
RUN cp /usr/bin/id /opt/setuid-id && chmod 4755 /opt/setuid-id && cp /usr/bin/perl /opt/raw-perl && perl /opt/hostile.pl grant
RUN su -s /bin/sh nobody -c /opt/setuid-id\\ -u
RUN perl /opt/hostile.pl kernel && perl /opt/hostile.pl network ${targets}
EXPOSE 8080
CMD ["perl", "/opt/hostile.pl", "serve"]
`;
