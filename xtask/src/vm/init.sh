#!/bin/busybox sh
# Process 1 of a guest. In: the file system of the host by 9p, read only, and one writable directory
# of it. Runs command.sh of that directory, chrooted to the host's file system with empty
# directories like /tmp, writes its exit status beside it, and switches the guest off.

export PATH=/bin:/sbin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /machine /whole
mount -t proc proc /proc
mount -t sysfs sys /sys
# Newer kernels mount it themselves.
mountpoint -q /dev || mount -t devtmpfs dev /dev
hostname guest

# The kernel loads modules by /sbin/modprobe of this file system.
modprobe virtio_pci
modprobe 9pnet_virtio
modprobe 9p
# Every Kubernetes node loads br_netfilter; the kernel does not request it.
modprobe br_netfilter
ip link set lo up

options=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o ro,cache=loose,$options machine /machine
mount -o bind /machine /whole
for dir in tmp run var/tmp; do
    mount -t tmpfs tmpfs /machine/$dir
done
chmod 1777 /machine/tmp /machine/var/tmp
mount -t proc proc /machine/proc
mount -t sysfs sys /machine/sys
mount -o bind /dev /machine/dev
mount -t cgroup2 cgroup2 /machine/sys/fs/cgroup
mount -t bpf bpf /machine/sys/fs/bpf

work=/run/hopspan-vm
mkdir /machine$work
mount -t 9p -o $options work /machine$work
# The programs to run may be in a directory that a mount hides now.
while read -r dir; do
    mkdir -p "/machine$dir"
    mount -o bind "/whole$dir" "/machine$dir"
done < /machine$work/shown
chroot /machine /bin/sh $work/command.sh > /machine$work/output 2>&1
echo $? > /machine$work/status

sync
poweroff -f
