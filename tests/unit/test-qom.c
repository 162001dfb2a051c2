/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object model: types, properties, the tree. */
#include "util/osdep.h"

#include "qom/object.h"
#include "util/error.h"

QOM_DECLARE(Animal, animal)
struct Animal {
    Object obj;
    uint32_t legs;
    char *name;
    uint32_t flags;
    Animal *friend;
};

typedef struct AnimalClass {
    OBJECT_CLASS_FIELDS
    const char *sound;
} AnimalClass;

static const Prop animal_props[] = {
    PROP(Animal, legs, "legs", 4, .help = "Number of legs"),
    PROP_STR(Animal, name, "name"),
    PROP_BIT(Animal, flags, "tame", 3, true),
    PROP_LINK(Animal, friend, "friend", &animal_type),
    {},
};
static const AnimalClass animal_class = { animal_props, "?" };
QOM_DEFINE(Animal, animal, .name = "animal", .parent = &object_type,
           .class = &animal_class, .abstract = true);

static int finalized;

static void dog_finalize(Object *obj)
{
    finalized++;
}

QOM_DECLARE(Dog, dog)
struct Dog {
    Animal parent;
    bool trained;
};
static const Prop dog_props[] = {
    PROP(Dog, trained, "trained", false),
    {},
};
static const AnimalClass dog_class = { dog_props, "woof" };
QOM_DEFINE(Dog, dog, .name = "dog", .parent = &animal_type,
           .class = &dog_class, .finalize = dog_finalize, .alias = "hound");

/* Inherits dog's class as a whole; shows an inner dog's properties. */
QOM_DECLARE(Cart, cart)
struct Cart {
    Object obj;
    Dog *dog;
    uint8_t wheels;
};
static const Prop cart_props[] = {
    PROP(Cart, wheels, "wheels", 2),
    {},
};
static const ObjectClass cart_class = { cart_props };
static void cart_init(Object *obj)
{
    cart(obj)->dog = dog(object_new(&dog_type));
}
static void cart_finalize(Object *obj)
{
    object_unref(cart(obj)->dog);
}
QOM_DEFINE(Cart, cart, .name = "cart", .parent = &object_type,
           .class = &cart_class, .init = cart_init, .finalize = cart_finalize,
           .forward = &dog_type, .forward_at = offsetof(Cart, dog));

static void test_types_are_found_by_name_and_alias(void)
{
    g_assert_true(type_find("dog") == &dog_type);
    g_assert_true(type_find("hound") == &dog_type);
    g_assert_null(type_find("wolf"));
    g_assert_true(type_is_a(&dog_type, &animal_type));
    g_assert_false(type_is_a(&animal_type, &dog_type));
    g_assert_true(type_is_a_name(&dog_type, "animal"));
    g_assert_cmpstr(((const AnimalClass *)type_class(&dog_type))->sound, ==,
                    "woof");
}

static void test_new_objects_have_defaults(void)
{
    g_autoptr(Dog) d = dog(object_new(&dog_type));

    g_assert_cmpint(d->parent.legs, ==, 4);
    g_assert_cmpint(d->parent.flags, ==, 8);
    g_assert_false(d->trained);
}

static void test_last_reference_finalizes(void)
{
    Dog *d = dog(object_new(&dog_type));

    finalized = 0;
    object_ref(d);
    object_unref(d);
    g_assert_cmpint(finalized, ==, 0);
    object_unref(d);
    g_assert_cmpint(finalized, ==, 1);
}

static void test_properties_parse_strings(void)
{
    g_autoptr(Dog) d = dog(object_new(&dog_type));

    object_prop_set_str(&d->parent.obj, "legs", "0x3", error_abort);
    object_prop_set_str(&d->parent.obj, "tame", "off", error_abort);
    object_prop_set_str(&d->parent.obj, "name", "Rex", error_abort);
    g_assert_cmpint(d->parent.legs, ==, 3);
    g_assert_cmpint(d->parent.flags, ==, 0);
    g_assert_cmpstr(d->parent.name, ==, "Rex");
}

static void test_strict_mode_wants_the_type(void)
{
    g_autoptr(Dog) d = dog(object_new(&dog_type));
    g_autoptr(QObject) v = qstr_new("3");
    autoerr Error *err = NULL;

    g_assert_false(
        object_prop_set(&d->parent.obj, "legs", v, QAPI_STRICT, &err));
    g_assert_nonnull(err);
    g_assert_cmpint(d->parent.legs, ==, 4);
}

static void test_unknown_property_hints_at_the_nearest(void)
{
    g_autoptr(Dog) d = dog(object_new(&dog_type));
    autoerr Error *err = NULL;

    g_assert_false(
        object_prop_set_str(&d->parent.obj, "traind", "on", &err));
    g_assert_cmpstr(error_text(err), ==, "Property 'dog.traind' not found");
    g_assert_cmpstr(error_nearest(err), ==, "trained");
}

static void test_value_out_of_range_is_refused(void)
{
    g_autoptr(Cart) c = cart(object_new(&cart_type));
    autoerr Error *err = NULL;

    g_assert_false(object_prop_set_str(&c->obj, "wheels", "256", &err));
    g_assert_cmpint(c->wheels, ==, 2);
}

static void test_forwarded_properties_reach_the_inner_object(void)
{
    g_autoptr(Cart) c = cart(object_new(&cart_type));
    g_autoptr(QObject) v = NULL;

    object_prop_set_str(&c->obj, "trained", "on", error_abort);
    g_assert_true(c->dog->trained);
    v = object_prop_get(&c->obj, "trained", error_abort);
    g_assert_true(qobject_equal(v, qbool_new(true)));
    g_assert_nonnull(type_prop_find(&cart_type, "legs"));
}

typedef struct Tree {
    Object *root;
    Dog *a, *b;
} Tree;

static void tree_setup(Tree *t, gconstpointer unused)
{
    t->root = object_new(type_find("container"));
    object_set_root(t->root, t->root);
    t->a = dog(object_new(&dog_type));
    t->b = dog(object_new(&dog_type));
    object_add_child(object_container(t->root, "zoo/dogs"), "a", t->a,
                     error_abort);
    object_add_child(object_container(t->root, "zoo/dogs"), "b[*]", t->b,
                     error_abort);
}

static void tree_teardown(Tree *t, gconstpointer unused)
{
    object_unref(t->a);
    object_unref(t->b);
    object_unref(t->root);
}

static void test_paths_lead_both_ways(Tree *t, gconstpointer unused)
{
    g_autofree char *path = object_path(&t->b->parent.obj);

    g_assert_cmpstr(path, ==, "/zoo/dogs/b[0]");
    g_assert_true(object_resolve(t->root, path, NULL) == (Object *)t->b);
    g_assert_true(object_resolve(t->root, "a", NULL) == (Object *)t->a);
    g_assert_null(object_resolve(t->root, "/zoo/c", NULL));
}

static void test_links_hold_their_target(Tree *t, gconstpointer unused)
{
    object_prop_set_str(&t->a->parent.obj, "friend", "b[0]", error_abort);
    g_assert_true(t->a->parent.friend == &t->b->parent);
    g_assert_cmpint(t->b->parent.obj.refs, ==, 3);
}

static void test_links_check_the_type(Tree *t, gconstpointer unused)
{
    autoerr Error *err = NULL;

    g_assert_false(
        object_prop_set_str(&t->a->parent.obj, "friend", "/zoo", &err));
    g_assert_nonnull(strstr(error_text(err), "expected: animal"));
}

static void test_partial_path_must_be_unique(Tree *t, gconstpointer unused)
{
    g_autoptr(Dog) other = dog(object_new(&dog_type));
    bool ambiguous;

    object_add_child(object_container(t->root, "farm"), "a", other,
                     error_abort);
    g_assert_null(object_resolve(t->root, "a", &ambiguous));
    g_assert_true(ambiguous);
}

static void test_duplicate_names_are_refused(Tree *t, gconstpointer unused)
{
    g_autoptr(Dog) other = dog(object_new(&dog_type));
    autoerr Error *err = NULL;

    g_assert_false(object_add_child(object_container(t->root, "zoo/dogs"), "a",
                                    other, &err));
    g_assert_nonnull(strstr(error_text(err), "duplicate property 'a'"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qom/types", test_types_are_found_by_name_and_alias);
    g_test_add_func("/qom/defaults", test_new_objects_have_defaults);
    g_test_add_func("/qom/finalize", test_last_reference_finalizes);
    g_test_add_func("/qom/parse", test_properties_parse_strings);
    g_test_add_func("/qom/strict", test_strict_mode_wants_the_type);
    g_test_add_func("/qom/unknown", test_unknown_property_hints_at_the_nearest);
    g_test_add_func("/qom/range", test_value_out_of_range_is_refused);
    g_test_add_func("/qom/forward",
                    test_forwarded_properties_reach_the_inner_object);
#define TREE_TEST(name, fn)                                                    \
    g_test_add(name, Tree, NULL, tree_setup, fn, tree_teardown)
    TREE_TEST("/qom/tree/paths", test_paths_lead_both_ways);
    TREE_TEST("/qom/tree/links", test_links_hold_their_target);
    TREE_TEST("/qom/tree/link-type", test_links_check_the_type);
    TREE_TEST("/qom/tree/partial", test_partial_path_must_be_unique);
    TREE_TEST("/qom/tree/duplicate", test_duplicate_names_are_refused);
    return g_test_run();
}
