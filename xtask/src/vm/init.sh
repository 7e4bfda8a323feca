#!/bin/busybox sh
# Process 1 of a guest. In: the machine's file system by 9p, read only, and a directory of it to
# write to. Runs command.sh of that directory, chrooted to the machine's file system with /tmp and
# the like empty, writes its exit status beside it, and switches the guest off.

export PATH=/bin:/sbin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /machine /whole
mount -t proc proc /proc
mount -t sysfs sys /sys
# Newer kernels have mounted it.
mountpoint -q /dev || mount -t devtmpfs dev /dev
hostname guest

# The kernel's own requests for modules come to /sbin/modprobe of this file system.
modprobe virtio_pci
modprobe 9pnet_virtio
modprobe 9p
# br_netfilter is what every Kubernetes node loads; nobody asks for it.
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
# The programs to run may be in a directory that is covered now.
while read -r dir; do
    mkdir -p "/machine$dir"
    mount -o bind "/whole$dir" "/machine$dir"
done < /machine$work/shown
chroot /machine /bin/sh $work/command.sh > /machine$work/output 2>&1
echo $? > /machine$work/status

sync
poweroff -f
