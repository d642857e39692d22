# As docker hides parts of /proc (moby, oci/defaults.go): the kernel then refuses a new one.
for d in /proc/acpi /proc/scsi; do test ! -d $d || mount -t tmpfs -o ro tmpfs $d; done
for f in /proc/kcore /proc/keys /proc/timer_list; do test ! -e $f || mount --bind /dev/null $f; done
for d in /proc/bus /proc/fs /proc/irq /proc/sys; do mount --bind $d $d; mount -o remount,bind,ro $d; done
