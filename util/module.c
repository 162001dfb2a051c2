/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loadable modules, found and opened. */
#include "util/osdep.h"

#include <dlfcn.h>

#include "util/module.h"

static char *beside_program(void)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);

    return exe ? g_path_get_dirname(exe) : NULL;
}

static char *find(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".so", NULL);
    g_autofree char *beside = beside_program();
    const char *dirs[] = { g_getenv("NEMU_MODULE_DIR"), beside, CONFIG_MODDIR };

    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path =
            dirs[i] ? g_build_filename(dirs[i], file, NULL) : NULL;

        if (path && access(path, F_OK) == 0) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

const void *module_table(const char *name, const char *table, Error **errp)
{
    g_autofree char *path = find(name);
    const void *found;
    void *module;

    if (!path) {
        return error_set(errp, "module %s.so is not installed in %s", name,
                         CONFIG_MODDIR),
               NULL;
    }
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    found = module ? dlsym(module, table) : NULL;
    if (!found) {
        error_set(errp, "cannot load module %s: %s", name, dlerror());
        if (module) {
            dlclose(module);
        }
    }
    return found;
}
