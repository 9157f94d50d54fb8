#!/bin/busybox sh
# First process of the emulated machine: loads the modules, mounts the host's file system
# read-only below a layer in memory, and runs the command that the host asked for in it.
# The kernel's command line says where and what: see machine.mjs.
/bin/busybox --install -s /bin
mount -t proc proc /proc
for module in $(cat /modules/order); do insmod "/modules/$module"; done
mount -t tmpfs tmpfs /layer
mkdir -p /layer/upper /layer/work
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t devtmpfs devtmpfs /root/dev
mkdir -p /root/dev/shm /root/results
mount -t tmpfs tmpfs /root/dev/shm
mount -t tmpfs tmpfs /root/run
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 results /root/results
ip link set lo up
ulimit -Hn 65536
ulimit -n 65536
echo "machine: up"
chroot /root /bin/sh /results/command
echo "machine: command ended with $?"
poweroff -f
